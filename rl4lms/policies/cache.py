"""A key-value cache for decoding that is written in place, so that appending a token does not copy earlier ones.

transformers is imported only when a cache is made, because checking a configuration imports the policies, too.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from transformers.cache_utils import Cache, DynamicLayer
else:
    DynamicLayer = object


class _Growing(DynamicLayer):
    """A layer whose buffers have spare room. `keys` and `values` are views of their filled part."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append states (B, heads, t, dim). Returns all keys and values, (B, heads, length, dim)."""
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._buffers = [_with_room(key_states, end), _with_room(value_states, end)]
        elif end > self._buffers[0].shape[-2]:
            self._buffers = [_with_room(buffer[..., :start, :], end) for buffer in self._buffers]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., start:end, :] = states
        return self._show(end)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Continue with only these rows."""
        length = self.get_seq_length()
        if length:
            self._buffers = [buffer[indices] for buffer in self._buffers]
            self._show(length)

    def _show(self, length: int) -> tuple[Tensor, Tensor]:
        keys, values = (buffer[..., :length, :] for buffer in self._buffers)
        self.keys, self.values = keys, values
        return keys, values


def _with_room(states: Tensor, length: int) -> Tensor:
    """A buffer for `length` and some more positions that begins with `states`."""
    shape = list(states.shape)
    shape[-2] = length + max(32, length // 4)
    buffer = states.new_empty(shape)
    buffer[..., : states.shape[-2], :] = states
    return buffer


@functools.cache
def growing_layer() -> type[DynamicLayer]:
    """The DynamicLayer of transformers with in-place growth."""
    from transformers.cache_utils import DynamicLayer as PlainLayer

    return type("GrowingLayer", (_Growing, PlainLayer), {})


def decoding_cache(model: Any) -> Cache:
    """The cache that the model would make for itself, with plain layers replaced by growing ones."""
    from transformers.cache_utils import DynamicCache, DynamicLayer, EncoderDecoderCache

    own = DynamicCache(config=model.config)
    own.layers = [growing_layer()() if type(layer) is DynamicLayer else layer for layer in own.layers]
    return EncoderDecoderCache(own, DynamicCache(config=model.config)) if model.config.is_encoder_decoder else own


def keep_rows(cache: Any, rows: Tensor) -> None:
    """Continue with only these rows in every layer. Layers of linear attention name the method differently."""
    parts = (cache.self_attention_cache, cache.cross_attention_cache) if hasattr(cache, "is_updated") else (cache,)
    for part in parts:
        for layer in part.layers:
            select = layer.reorder_cache if hasattr(layer, "recurrent_states") else layer.batch_select_indices
            select(rows)
