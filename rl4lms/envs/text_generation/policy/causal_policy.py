"""The published import path `rl4lms.envs.text_generation.policy.causal_policy`."""

from rl4lms.policies.causal import CausalLMActorCriticPolicy
from rl4lms.policies.maskable import MaskedCausalLMActorCriticPolicy

__all__ = ["CausalLMActorCriticPolicy", "MaskedCausalLMActorCriticPolicy"]
