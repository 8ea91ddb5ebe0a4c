"""The parts of a text generation task that stepping and batched rollouts share: data, tokenizer, reward, limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rl4lms.tokenization.continuation import Continuation
from rl4lms.tokenization.observation import Observation, SampleLike

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class TextTask:
    """A text generation task. The fields are RL4LMs' arguments of the environment; lengths are in tokens.

    samples: (sample, weight) pairs. terminate_on_eos: an episode ends with its first stop token, which is part of it;
    otherwise (the published default) every episode has max_episode_length tokens. stop_ids: the tokens that end a text;
    the tokenizer's eos is always one of them. stop_strings: texts that do so as well. encoder_decoder: whether a
    response is a separate text instead of a continuation of its prompt; None means that it is if there is a
    context_start_token.
    """

    tokenizer: PreTrainedTokenizerBase
    reward_function: Any
    samples: Sequence[tuple[SampleLike, float]]
    max_episode_length: int = 512
    max_prompt_length: int = 512
    terminate_on_eos: bool = False
    prompt_truncation_side: str = "left"
    context_start_token: int | None = None
    priority_scale: float = 0.0
    stop_ids: frozenset[int] = frozenset()
    encoder_decoder: bool | None = None
    pad_token_id: int | None = None
    stop_strings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        own = () if self.eos_id is None else (self.eos_id,)
        object.__setattr__(self, "stop_ids", frozenset((*self.stop_ids, *own)))
        if self.encoder_decoder is None:
            object.__setattr__(self, "encoder_decoder", self.context_start_token is not None)

    @property
    def eos_id(self) -> int | None:
        eos = self.tokenizer.eos_token_id
        return None if eos is None else int(eos)

    @property
    def pad_id(self) -> int:
        pad = self.tokenizer.pad_token_id if self.pad_token_id is None else self.pad_token_id
        return int(pad) if pad is not None else int(self.eos_id or 0)

    def first_observation(self, sample: SampleLike) -> Observation:
        return Observation.init_from_sample(
            sample,
            self.tokenizer,
            self.max_prompt_length,
            self.max_episode_length,
            self.prompt_truncation_side,
            self.context_start_token,
            encoder_decoder=self.encoder_decoder,
            stop_ids=self.stop_ids,
            stop_strings=self.stop_strings,
        )

    def continuation(self, prompt_ids: Sequence[int]) -> Continuation:
        """The `Continuation` that turns responses to a prompt into text."""
        return Continuation(
            self.tokenizer, () if self.encoder_decoder else prompt_ids, self.stop_ids, self.stop_strings
        )

    def is_done(self, current: Observation) -> bool:
        """Whether the episode ends with the last token of an observation."""
        ids = current.context_ids
        if len(ids) >= self.max_episode_length:
            return True
        ends = ids[-1] in self.stop_ids or (bool(self.stop_strings) and current.continuation.length(ids) is not None)
        return self.terminate_on_eos and ends
