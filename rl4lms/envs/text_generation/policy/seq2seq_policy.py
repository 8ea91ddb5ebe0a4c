"""The published import path `rl4lms.envs.text_generation.policy.seq2seq_policy`."""

from rl4lms.policies.maskable import MaskedSeq2SeqLMActorCriticPolicy
from rl4lms.policies.seq2seq import Seq2SeqLMActorCriticPolicy

__all__ = ["MaskedSeq2SeqLMActorCriticPolicy", "Seq2SeqLMActorCriticPolicy"]
