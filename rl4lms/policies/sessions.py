"""Decoding of Hugging Face language models with a cache, token by token."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rl4lms.policies.cache import decoding_cache, growing_layer, in_cache, keep_rows
from rl4lms.policies.language_models import (
    BLOCKS,
    accepts_positions,
    mask_or_none,
    position_ids,
    start_token,
    to_right_padding,
)

# Families that accept an attention mask of (B, 1, 1, length) for the next token. Of a mask of (B, length) transformers
# asks at every token whether it has padding, which makes a GPU wait.
_READY_MASKS = {*BLOCKS, "t5", "mt5", "bart"}


def _takes_ready_masks(model: Any, cache: Any) -> bool:
    """Whether the next token's mask may be given as (B, 1, 1, length): no window, and torch's own attention."""
    layers = getattr(cache, "self_attention_cache", cache).layers
    whole = all(isinstance(layer, growing_layer()) for layer in layers)
    config = model.config
    return whole and config.model_type in _READY_MASKS and config._attn_implementation == "sdpa"


class CausalSession:
    """Decoding of a decoder-only model with a cache: `start()`, then `step(tokens)`, both return (B, V) logits.

    The cache, positions and masks are made once, for the prompt and max_new_tokens.
    """

    def __init__(self, model: Any, prompt_ids: Tensor, prompt_mask: Tensor, max_new_tokens: int) -> None:
        self.model, self.prompt_ids, self.length = model, prompt_ids, 0
        mask = nn.functional.pad(prompt_mask, (0, max_new_tokens), value=True)
        self.mask = mask_or_none(mask)
        self.positions = position_ids(mask) if accepts_positions(model) else None
        self.cache: Any = decoding_cache(model, mask.shape[1])
        self._in_cache = in_cache(model, self.cache)
        self._ready_masks = _takes_ready_masks(model, self.cache)

    def start(self) -> Tensor:
        return self._forward(self.prompt_ids, ready_mask=False)

    def step(self, tokens: Tensor) -> Tensor:
        """The logits after the chosen tokens (B,)."""
        return self._forward(tokens.unsqueeze(1), self._ready_masks)

    def _forward(self, ids: Tensor, ready_mask: bool) -> Tensor:
        begin, self.length = self.length, self.length + ids.shape[1]
        extra = {} if self.positions is None else {"position_ids": self.positions[:, begin : self.length]}
        mask = None if self.mask is None else self.mask[:, : self.length]
        output = self.model(
            input_ids=ids,
            attention_mask=mask[:, None, None] if mask is not None and ready_mask else mask,
            use_cache=True,
            logits_to_keep=1,
            **self._in_cache,
            **extra,
        )
        logits: Tensor = output.logits[:, -1]
        return logits

    def keep(self, rows: Tensor) -> None:
        """Continue with only these rows; one may be named several times."""
        keep_rows(self.cache, rows)
        self.mask, self.positions = (None if x is None else x[rows] for x in (self.mask, self.positions))


class Seq2SeqSession:
    """Decoding of an encoder-decoder with a cache. The encoder runs once."""

    def __init__(self, model: Any, prompt_ids: Tensor, prompt_mask: Tensor, max_new_tokens: int) -> None:
        from transformers.modeling_outputs import BaseModelOutput

        ids, mask = to_right_padding(prompt_ids, prompt_mask)
        self.model, self.mask = model, mask_or_none(mask)
        encoded = model.get_encoder()(input_ids=ids, attention_mask=self.mask)
        self.encoded: Any = BaseModelOutput(last_hidden_state=encoded.last_hidden_state)
        self.cache: Any = decoding_cache(model, max_new_tokens)
        self._in_cache = in_cache(model, self.cache)
        if self.mask is not None and _takes_ready_masks(model, self.cache):
            self.mask = self.mask[:, None, None]

    def start(self) -> Tensor:
        first = self.encoded.last_hidden_state
        tokens = torch.full((first.shape[0],), start_token(self.model), dtype=torch.int64, device=first.device)
        return self.step(tokens)

    def step(self, tokens: Tensor) -> Tensor:
        output = self.model(
            encoder_outputs=self.encoded,
            attention_mask=self.mask,
            decoder_input_ids=tokens.unsqueeze(1),
            use_cache=True,
            **self._in_cache,
        )
        logits: Tensor = output.logits[:, -1]
        return logits

    def keep(self, rows: Tensor) -> None:
        keep_rows(self.cache, rows)
        self.mask = None if self.mask is None else self.mask[rows]
        self.encoded.last_hidden_state = self.encoded.last_hidden_state[rows]


Session = CausalSession | Seq2SeqSession


def open_session(model: Any, prompt_ids: Tensor, prompt_mask: Tensor, max_new_tokens: int) -> Session:
    kind = Seq2SeqSession if model.config.is_encoder_decoder else CausalSession
    return kind(model, prompt_ids, prompt_mask, max_new_tokens)
