"""The policy over decoder-only models."""

from rl4lms.policies.base import LMActorCriticPolicy
from rl4lms.policies.language_models import CausalScorer


class CausalLMActorCriticPolicy(LMActorCriticPolicy):
    """`causal_lm_actor_critic_policy`: GPT-2, GPT-NeoX, LLaMA, OPT, ... (`AutoModelForCausalLM`)."""

    seq2seq = False
    scorer = CausalScorer
