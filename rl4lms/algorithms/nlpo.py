"""Natural language policy optimisation (arXiv:2210.01241, Algorithm 1): PPO with a mask policy for the actions."""

from __future__ import annotations

from rl4lms.algorithms.ppo import PPO
from rl4lms.core.errors import ConfigError
from rl4lms.policies.maskable import MaskableActorCriticPolicy


class NLPO(PPO):
    """PPO with a learned mask, which every `target_update_iterations` iterations becomes that of the current policy.

    It needs a maskable policy (`maskable_causal_lm_actor_critic_policy` or `maskable_seq2seq_lm_actor_critic_policy`).
    """

    policy: MaskableActorCriticPolicy  # type: ignore[assignment]

    def _setup_model(self) -> None:
        super()._setup_model()
        if not isinstance(self.policy, MaskableActorCriticPolicy):
            name = type(self.policy).__name__
            raise ConfigError(f"alg.policy.id: nlpo needs a maskable policy, found {name}; use maskable_*_policy.")
