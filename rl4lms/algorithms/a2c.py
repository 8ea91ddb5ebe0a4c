"""Advantage actor-critic (arXiv:1602.01783) over tokens."""

from __future__ import annotations

from typing import Any, ClassVar

from rl4lms.algorithms.on_policy_text import Loss, TextRollouts, check_positive, norm_limit
from rl4lms.numerics.losses import value_loss
from rl4lms.rollouts.episodes import RolloutSamples


class A2C(TextRollouts):
    """One optimiser step per rollout, on policy gradient, value and entropy losses averaged over its real tokens.

    The arguments are those of SB3, but as in RL4LMs the optimiser is that of the policy (AdamW). The gradient equals
    that of PPO with one epoch, one minibatch and no clipping. `gradient_accumulation_steps` divides the step into parts
    to save memory.
    """

    critic: ClassVar[bool | None] = True

    def __init__(
        self,
        policy: Any,
        env: Any,
        learning_rate: Any = 7e-4,
        n_steps: int = 5,
        gamma: float = 0.99,
        gae_lambda: float = 1.0,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float | None = 0.5,
        normalize_advantage: bool = False,
        gradient_accumulation_steps: int = 1,
        **kwargs: Any,
    ) -> None:
        check_positive(gradient_accumulation_steps=gradient_accumulation_steps)
        self.normalize_advantage = normalize_advantage
        self.gradient_accumulation_steps = gradient_accumulation_steps
        kwargs.setdefault("use_sde", False)
        kwargs.setdefault("sde_sample_freq", -1)
        max_grad_norm = norm_limit(max_grad_norm)
        super().__init__(
            policy, env, learning_rate, n_steps, gamma, gae_lambda, ent_coef, vf_coef, max_grad_norm, **kwargs
        )

    def train(self) -> None:
        """One step on the whole rollout."""
        self._update_learning_rate(self.policy.optimizer)
        (batch,) = self.rollout_buffer.get(None)
        stats = self.accumulate_gradients(batch)
        self.optimizer_step()
        self._n_updates += 1
        for name, value in stats.items():
            self.logger.record(f"train/{name}", value)
        self.logger.record("train/n_updates", self._n_updates)
        self.logger.record("train/n_minibatches", 1)

    def accumulate_gradients(self, batch: RolloutSamples) -> dict[str, float]:
        """Set `.grad` to the gradient of the rollout's loss. Returns the numbers to log."""
        return self.accumulate(batch, self.loss, self.gradient_accumulation_steps)

    def loss(self, batch: RolloutSamples) -> Loss:
        """The loss of a part of the rollout, and the terms to log: weighted sums over its tokens."""
        self.policy.entropy_gradient = self.ent_coef != 0.0
        values, log_prob, entropy = self.policy.evaluate_actions(batch.observations, batch.actions)
        policy_loss = -batch.mean(batch.advantages * log_prob)
        v_loss = batch.mean(value_loss(values, batch.old_values, batch.returns))
        entropy_loss = -batch.mean(entropy)
        terms = {"policy_gradient_loss": policy_loss, "value_loss": v_loss, "entropy_loss": entropy_loss}
        return policy_loss + self.ent_coef * entropy_loss + self.vf_coef * v_loss, terms
