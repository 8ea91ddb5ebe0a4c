"""The policy over encoder-decoder models."""

from rl4lms.policies.base import LMActorCriticPolicy
from rl4lms.policies.language_models import Seq2SeqScorer


class Seq2SeqLMActorCriticPolicy(LMActorCriticPolicy):
    """`seq2seq_lm_actor_critic_policy`: T5, mT5, BART, Blenderbot, ... (`AutoModelForSeq2SeqLM`)."""

    seq2seq = True
    scorer = Seq2SeqScorer
