"""The published import path `rl4lms.envs.text_generation.policy.base_policy`."""

from rl4lms.policies.base import EvaluateActionsOutput, LMActorCriticPolicy

__all__ = ["EvaluateActionsOutput", "LMActorCriticPolicy"]
