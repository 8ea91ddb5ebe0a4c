"""Trust region policy optimisation (arXiv:1502.05477) over tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from rl4lms.algorithms.on_policy_text import Loss, TextRollouts, check_positive, norm_limit
from rl4lms.core.errors import ConfigError, RunError
from rl4lms.numerics.categorical import action_logprobs
from rl4lms.numerics.distributed import sum_tensor
from rl4lms.numerics.losses import value_loss
from rl4lms.numerics.natural_gradient import conjugate_gradient, flatten, hessian_product, unflatten
from rl4lms.rollouts.episodes import RolloutSamples


class TRPO(TextRollouts):
    """A natural-gradient step with KL(old || new) <= target_kl, then `n_critic_updates` epochs of value updates.

    The arguments are those of SB3-contrib. The Fisher-vector product differentiates the exact categorical KL twice, so
    the policy uses eager attention, because fused kernels have no second derivative. `gradient_accumulation_steps`
    divides every pass over the rollout to save memory. TRPO needs `value_model: separate`.
    """

    def __init__(
        self,
        policy: Any,
        env: Any,
        learning_rate: Any = 1e-3,
        n_steps: int = 2048,
        batch_size: int = 128,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        target_kl: float = 0.01,
        cg_max_steps: int = 15,
        cg_damping: float = 0.1,
        line_search_shrinking_factor: float = 0.8,
        line_search_max_iter: int = 10,
        n_critic_updates: int = 10,
        normalize_advantage: bool = True,
        max_grad_norm: float | None = 0.5,
        gradient_accumulation_steps: int = 1,
        **kwargs: Any,
    ) -> None:
        check_positive(batch_size=batch_size, target_kl=target_kl, cg_max_steps=cg_max_steps)
        check_positive(line_search_max_iter=line_search_max_iter, n_critic_updates=n_critic_updates)
        check_positive(gradient_accumulation_steps=gradient_accumulation_steps)
        self.batch_size, self.target_kl, self.normalize_advantage = batch_size, target_kl, normalize_advantage
        self.cg_max_steps, self.cg_damping = cg_max_steps, cg_damping
        self.line_search_shrinking_factor = line_search_shrinking_factor
        self.line_search_max_iter, self.n_critic_updates = line_search_max_iter, n_critic_updates
        self.gradient_accumulation_steps = gradient_accumulation_steps
        fixed = {"ent_coef": 0.0, "vf_coef": 0.0, "use_sde": False, "sde_sample_freq": -1}
        super().__init__(
            policy,
            env,
            learning_rate,
            n_steps,
            gamma,
            gae_lambda,
            max_grad_norm=norm_limit(max_grad_norm),
            **{**fixed, **kwargs},
        )

    def _setup_model(self) -> None:
        super()._setup_model()
        if self.policy.value_trunk is None:
            raise ConfigError(
                "alg.policy.args.value_model: trpo updates policy and values separately; use value_model: separate."
            )
        model = self.policy.get_language_model()
        model.set_attn_implementation("eager")

    @property
    def policy_parameters(self) -> list[Tensor]:
        return [p for p in self.policy.policy_model.parameters() if p.requires_grad]

    def train(self) -> None:
        """One trust-region step of the policy, then the critic's epochs."""
        self._update_learning_rate(self.policy.optimizer)
        (batch,) = self.rollout_buffer.get(None)
        self.policy_step(batch.own_parts(self.gradient_accumulation_steps))
        epochs = range(self.n_critic_updates)
        losses = [self._critic_step(b) for _ in epochs for b in self.rollout_buffer.get(self.batch_size)]
        self._n_updates += 1
        self.logger.record("train/value_loss", sum(losses) / len(losses))
        self.logger.record("train/n_updates", self._n_updates)
        self.logger.record("train/n_minibatches", 1)  # steps of the policy

    def policy_step(self, parts: Sequence[RolloutSamples]) -> bool:
        """Move the policy along the natural gradient, by the longest tried step that KL and objective allow.

        Returns whether there was such a step; if not, the parameters are restored exactly.
        """
        parameters = self.policy_parameters
        with torch.no_grad():
            old = [torch.log_softmax(self.policy.action_logits(part.observations), -1) for part in parts]
        objective = self._objective(parts)
        gradient = self._sum(parts, lambda part, _: flatten(torch.autograd.grad(self._surrogate(part), parameters)))
        fisher_product = self.fisher_product(parts, old)
        direction = conjugate_gradient(fisher_product, gradient, self.cg_max_steps)
        curvature = direction @ fisher_product(direction)
        del fisher_product  # and with it the graph
        length = torch.sqrt(2 * self.target_kl / curvature.clamp(min=1e-12))
        before = [p.detach().clone() for p in parameters]
        accepted, kl = False, 0.0
        for _ in range(self.line_search_max_iter):
            self._set(parameters, before, unflatten(length * direction, parameters))
            with torch.no_grad():
                kl = float(self._sum(parts, lambda part, i: self._kl(part, old[i])))
            if kl <= self.target_kl and self._objective(parts) > objective:
                accepted = True
                break
            length = length * self.line_search_shrinking_factor
        if not accepted:
            self._set(parameters, before, None)
        self.logger.record("train/policy_objective", objective)
        self.logger.record("train/kl_divergence_loss", kl if accepted else 0.0)
        self.logger.record("train/is_line_search_success", float(accepted))
        return accepted

    def fisher_product(self, parts: Sequence[RolloutSamples], old: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
        """v -> (F + damping I) v, (P,). F is the Hessian of the mean KL(old || new) per token at the current policy.

        The graph of a rollout in one part is made once for all products. Of several parts, which are there to save
        memory, each is made again for every product.
        """

        def hessian(part: RolloutSamples, i: int) -> Callable[[Tensor], Tensor]:
            return hessian_product(self._kl(part, old[i]), self.policy_parameters)

        kept = [hessian(part, 0) for part in parts] if len(parts) == 1 else []

        def product(vector: Tensor) -> Tensor:
            of_part = self._sum(parts, lambda part, i: (kept[i] if kept else hessian(part, i))(vector))
            return of_part + self.cg_damping * vector

        return product

    def _surrogate(self, part: RolloutSamples) -> Tensor:
        log_prob = action_logprobs(self.policy.action_logits(part.observations), part.actions)
        return part.mean(torch.exp(log_prob - part.old_log_prob) * part.advantages)

    @torch.no_grad()
    def _objective(self, parts: Sequence[RolloutSamples]) -> float:
        return float(self._sum(parts, lambda part, _: self._surrogate(part)))

    def _kl(self, part: RolloutSamples, old: Tensor) -> Tensor:
        """The part's share of the mean exact KL(old || new) of a token. Masked actions have probability 0 in both."""
        new = torch.log_softmax(self.policy.action_logits(part.observations), -1)
        masked = torch.isneginf(old)
        return part.mean((old.exp() * (old.masked_fill(masked, 0.0) - new.masked_fill(masked, 0.0))).sum(-1))

    @staticmethod
    def _sum(parts: Sequence[RolloutSamples], term: Callable[[RolloutSamples, int], Tensor]) -> Tensor:
        if not parts:
            raise RunError("trpo: fewer episodes in the rollout than processes in the launch; raise alg.args.n_steps.")
        total = term(parts[0], 0)
        for i, part in enumerate(parts[1:], 1):
            total = total + term(part, i)
        return sum_tensor(total)

    @staticmethod
    @torch.no_grad()
    def _set(parameters: Sequence[Tensor], values: Sequence[Tensor], offsets: Sequence[Tensor] | None) -> None:
        for i, (parameter, value) in enumerate(zip(parameters, values, strict=True)):
            parameter.copy_(value if offsets is None else value + offsets[i])

    def _critic_step(self, batch: RolloutSamples) -> float:
        numbers = self.accumulate(batch, self._critic_loss, self.gradient_accumulation_steps)
        self.optimizer_step()
        return numbers["loss"]

    def _critic_loss(self, part: RolloutSamples) -> Loss:
        values = self.policy.evaluate_values(part.observations)
        return part.mean(value_loss(values, part.old_values, part.returns)), {}
