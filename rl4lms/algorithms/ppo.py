"""Proximal policy optimisation (arXiv:1707.06347) over tokens."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from stable_baselines3.common.utils import FloatSchedule

from rl4lms.algorithms.on_policy_text import Loss, TextRollouts, check_positive, norm_limit
from rl4lms.numerics.kl import kl_k3
from rl4lms.numerics.losses import clipped_policy_loss, value_loss
from rl4lms.rollouts.episodes import RolloutSamples


class PPO(TextRollouts):
    """PPO with clipped surrogate, value and entropy losses, each averaged over the real tokens of an optimiser step.

    The arguments are those of SB3. `batch_size` counts tokens. `target_kl` ends the epochs of an update once the mean
    k3 estimate of KL(old || new) exceeds 1.5 times it. `gradient_accumulation_steps` divides a minibatch into so many
    micro-batches of whole episodes, whose gradients add up to that of the minibatch.
    """

    critic: ClassVar[bool | None] = True

    def __init__(
        self,
        policy: Any,
        env: Any,
        learning_rate: Any = 3e-4,
        n_steps: int = 2048,
        batch_size: int = 64,
        n_epochs: int = 10,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        clip_range: Any = 0.2,
        clip_range_vf: Any = None,
        normalize_advantage: bool = True,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float | None = 0.5,
        target_kl: float | None = None,
        gradient_accumulation_steps: int = 1,
        **kwargs: Any,
    ) -> None:
        check_positive(batch_size=batch_size, n_epochs=n_epochs, clip_range=clip_range, clip_range_vf=clip_range_vf)
        check_positive(target_kl=target_kl, gradient_accumulation_steps=gradient_accumulation_steps)
        self.batch_size, self.n_epochs, self.target_kl = batch_size, n_epochs, target_kl
        self.clip_range = FloatSchedule(clip_range)
        self.clip_range_vf = None if clip_range_vf is None else FloatSchedule(clip_range_vf)
        self.normalize_advantage = normalize_advantage
        self.gradient_accumulation_steps = gradient_accumulation_steps
        kwargs.setdefault("use_sde", False)
        kwargs.setdefault("sde_sample_freq", -1)
        max_grad_norm = norm_limit(max_grad_norm)
        super().__init__(
            policy, env, learning_rate, n_steps, gamma, gae_lambda, ent_coef, vf_coef, max_grad_norm, **kwargs
        )

    def train(self) -> None:
        """One update: `n_epochs` passes over the rollout in minibatches of `batch_size` tokens."""
        self._update_learning_rate(self.policy.optimizer)
        progress = self._current_progress_remaining
        clip = self.clip_range(progress)
        clip_vf = None if self.clip_range_vf is None else self.clip_range_vf(progress)
        self.run_epochs(
            self.n_epochs, self.batch_size, lambda b: self.accumulate_gradients(b, clip, clip_vf), self.target_kl
        )
        self.logger.record("train/clip_range", clip)

    def accumulate_gradients(
        self, batch: RolloutSamples, clip_range: float, clip_range_vf: float | None = None
    ) -> dict[str, float]:
        """Set `.grad` to the gradient of a minibatch's loss. Returns the numbers to log."""
        return self.accumulate(
            batch, lambda part: self.loss(part, clip_range, clip_range_vf), self.gradient_accumulation_steps
        )

    def loss(self, batch: RolloutSamples, clip_range: float, clip_range_vf: float | None = None) -> Loss:
        """The loss of a part of an optimiser step, and the terms to log: weighted sums over its tokens."""
        self.policy.entropy_gradient = self.ent_coef != 0.0
        values, log_prob, entropy = self.policy.evaluate_actions(batch.observations, batch.actions)
        ratio = torch.exp(log_prob - batch.old_log_prob)
        policy_loss = batch.mean(clipped_policy_loss(ratio, batch.advantages, clip_range))
        v_loss = batch.mean(value_loss(values, batch.old_values, batch.returns, clip_range_vf))
        entropy_loss = -batch.mean(entropy)
        terms = {"policy_gradient_loss": policy_loss, "value_loss": v_loss, "entropy_loss": entropy_loss}
        with torch.no_grad():
            terms["approx_kl"] = batch.mean(kl_k3(batch.old_log_prob, log_prob))
            terms["clip_fraction"] = batch.mean(((ratio - 1).abs() > clip_range).to(ratio.dtype))
        return policy_loss + self.ent_coef * entropy_loss + self.vf_coef * v_loss, terms
