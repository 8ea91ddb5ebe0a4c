"""The state of an episode for reward functions and environments: prompt, text so far, references."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from rl4lms.core.conversations import Prompt, prompt_of, reading
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.guard import copied
from rl4lms.tokenization.chat import by_template, encode_conversation
from rl4lms.tokenization.continuation import Continuation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class SampleLike(Protocol):
    prompt_or_input_text: str
    references: list[str]
    meta_data: dict[str, Any] | None


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], max_length: int, truncation_side: str = "left"
) -> list[list[int]]:
    """The token ids of each prompt, truncated to `max_length`, without padding.

    A conversation is written by the tokenizer's chat template (`encode_conversation`), or as it reads if the tokenizer
    has none. An empty text becomes one start token (bos, else eos), because a language model must have a token to
    continue. Raises DataError if there is no such token, and ConfigError if `max_length` has no room for the special
    tokens that the tokenizer adds.
    """
    if any(by_template(tokenizer, prompt) for prompt in prompts):
        return [
            encode_conversation(tokenizer, prompt, max_length, truncation_side)
            if not isinstance(prompt, str)
            else encode_prompts(tokenizer, [prompt], max_length, truncation_side)[0]
            for prompt in prompts
        ]
    texts = [prompt if isinstance(prompt, str) else reading(prompt) for prompt in prompts]
    previous = tokenizer.truncation_side
    tokenizer.truncation_side = truncation_side
    try:
        ids: list[list[int]] = tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
    finally:
        tokenizer.truncation_side = previous
    if (longest := max(map(len, ids), default=0)) > max_length:
        raise ConfigError(
            f"max_prompt_length: {max_length} tokens, but tokenizer {tokenizer.name_or_path} makes no fewer than "
            f"{tokenizer.num_special_tokens_to_add()} of any prompt and keeps {longest} of one; allow more."
        )
    start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if start is None and not all(ids):
        raise DataError(
            f"prompt {[bool(row) for row in ids].index(False)} is empty, and tokenizer {tokenizer.name_or_path} has "
            "neither a bos nor an eos token for the model to start from."
        )
    return [row or [start] for row in ids]


def left_pad(rows: Sequence[Sequence[int]], pad_id: int, length: int | None = None) -> tuple[Tensor, Tensor]:
    """(ids, mask), each (B, P), int64 and bool (True = real). P is `length`, or that of the longest row."""
    width = max((len(r) for r in rows), default=0) if length is None else length
    ids = torch.full((len(rows), width), pad_id, dtype=torch.int64)
    mask = torch.zeros((len(rows), width), dtype=torch.bool)
    for i, row in enumerate(rows):
        if len(row):
            ids[i, width - len(row) :] = torch.as_tensor(row, dtype=torch.int64)
            mask[i, width - len(row) :] = True
    return ids, mask


@dataclass(frozen=True)
class Observation:
    """One state of an episode, with RL4LMs' field names. Its tensors are made on first access.

    prompt_ids: the real tokens of the prompt; context_ids: the tokens generated so far, without context_start_token.
    The tensors are left-padded and have the shapes (1, max_prompt_length), (1, max_context_length), or their sum.
    continuation: turns the tokens into text. By default they continue the prompt, unless there is a
    context_start_token, which only encoder-decoders have.
    """

    prompt_or_input_text: str
    prompt_ids: tuple[int, ...]
    context_ids: tuple[int, ...]
    target_or_reference_texts: list[str]
    meta_info: dict[str, Any] | None
    tokenizer: PreTrainedTokenizerBase = field(repr=False)
    max_prompt_length: int
    max_context_length: int
    context_start_token: int | None = None
    continuation: Continuation = field(default=None, repr=False, compare=False)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.continuation is None:
            prompt_ids = self.prompt_ids if self.context_start_token is None else ()
            object.__setattr__(self, "continuation", Continuation(self.tokenizer, prompt_ids))

    @classmethod
    def init_from_sample(
        cls,
        sample: SampleLike,
        tokenizer: PreTrainedTokenizerBase,
        max_input_length: int,
        max_context_length: int,
        prompt_truncation_side: str = "left",
        context_start_token: int | None = None,
        meta_info: dict[str, Any] | None = None,
        encoder_decoder: bool | None = None,
        stop_ids: Collection[int] = (),
        stop_strings: Collection[str] = (),
    ) -> Observation:
        """The first state of an episode, without context. It has copies of the sample's references and meta data.

        encoder_decoder: whether a response is a separate text; None means that it is if there is a context_start_token.
        stop_ids, stop_strings: the tokens and strings that end the text of a response.
        """
        separate = context_start_token is not None if encoder_decoder is None else encoder_decoder
        ids = encode_prompts(tokenizer, [prompt_of(sample)], max_input_length, prompt_truncation_side)[0]
        return cls(
            prompt_or_input_text=sample.prompt_or_input_text,
            prompt_ids=tuple(ids),
            context_ids=(),
            target_or_reference_texts=copied(sample.references),
            meta_info=copied(sample.meta_data) if meta_info is None else meta_info,
            tokenizer=tokenizer,
            max_prompt_length=max_input_length,
            max_context_length=max_context_length,
            context_start_token=context_start_token,
            continuation=Continuation(tokenizer, () if separate else ids, stop_ids, stop_strings),
        )

    def update(self, action: int, tokenizer: PreTrainedTokenizerBase | None = None) -> Observation:
        """The state after `action`. `tokenizer` is an argument of RL4LMs and is not used."""
        return replace(self, context_ids=(*self.context_ids, int(action)))

    def at(self, step: int) -> Observation:
        """The earlier state after the first `step` tokens of the context."""
        return replace(self, context_ids=self.context_ids[:step])

    @cached_property
    def context_text(self) -> str:
        return self.continuation.text(self.context_ids)

    @property
    def action_history(self) -> list[str]:
        return [str(t) for t in self.tokenizer.convert_ids_to_tokens(list(self.context_ids))]

    def _pad_id(self) -> int:
        pad = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if pad is None else pad)

    @cached_property
    def _prompt(self) -> tuple[Tensor, Tensor]:
        return left_pad([self.prompt_ids], self._pad_id(), self.max_prompt_length)

    @cached_property
    def _context(self) -> tuple[Tensor, Tensor]:
        start = () if self.context_start_token is None else (self.context_start_token,)
        ids = (*start, *self.context_ids)[-self.max_context_length :]
        return left_pad([ids], self._pad_id(), self.max_context_length)

    @cached_property
    def _input(self) -> tuple[Tensor, Tensor]:
        width = self.max_prompt_length + self.max_context_length
        return left_pad([(*self.prompt_ids, *self.context_ids)], self._pad_id(), width)

    @property
    def prompt_or_input_encoded_pt(self) -> Tensor:
        return self._prompt[0]

    @property
    def prompt_or_input_attention_mask_pt(self) -> Tensor:
        return self._prompt[1].long()

    @property
    def context_encoded_pt(self) -> Tensor:
        return self._context[0]

    @property
    def context_attention_mask_pt(self) -> Tensor:
        return self._context[1].long()

    @property
    def input_encoded_pt(self) -> Tensor:
        return self._input[0]

    @property
    def input_attention_mask_pt(self) -> Tensor:
        return self._input[1].long()

    def to_dict(self) -> dict[str, np.ndarray]:
        """The tensors as flat int64 arrays with RL4LMs' names, as the gymnasium environment returns them."""
        names = ("prompt_or_input", "context", "input")
        encoded = {f"{name}_encoded_pt": getattr(self, f"{name}_encoded_pt") for name in names}
        masks = {f"{name}_attention_mask_pt": getattr(self, f"{name}_attention_mask_pt") for name in names}
        return {key: value.numpy().flatten() for key, value in {**encoded, **masks}.items()}
