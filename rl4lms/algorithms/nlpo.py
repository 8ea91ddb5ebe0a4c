"""Natural language policy optimisation (arXiv:2210.01241, Algorithm 1): PPO with a mask policy for the actions."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from rl4lms.algorithms.ppo import PPO
from rl4lms.core.errors import ConfigError
from rl4lms.policies.maskable import MaskableActorCriticPolicy


class NLPO(PPO):
    """PPO that also refreshes the mask policy every `target_update_iterations` iterations.

    It needs a maskable policy (`maskable_causal_lm_actor_critic_policy` or `maskable_seq2seq_lm_actor_critic_policy`).
    """

    policy: MaskableActorCriticPolicy  # type: ignore[assignment]

    def _setup_model(self) -> None:
        super()._setup_model()
        if not isinstance(self.policy, MaskableActorCriticPolicy):
            name = type(self.policy).__name__
            raise ConfigError(f"alg.policy.id: nlpo needs a maskable policy, found {name}; use maskable_*_policy.")

    def collect_rollouts(self, env: Any, callback: BaseCallback, rollout_buffer: Any, n_rollout_steps: int) -> bool:
        """Refresh the mask before iteration k if k is a multiple of the interval, then collect the rollout with it."""
        if self.iteration > 0 and self.iteration % self.policy.target_update_iterations == 0:
            self.policy.refresh_mask()
        return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
