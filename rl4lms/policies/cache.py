"""A key-value cache for decoding that is written in place, so that appending a token does not copy earlier ones.

transformers is imported only when a cache is made, because checking a configuration imports the policies, too.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from transformers.cache_utils import Cache, DynamicLayer
else:
    DynamicLayer = object


class _Growing(DynamicLayer):
    """A layer whose buffers have room for more positions. `keys` and `values` are views of their filled part.

    room: the number of positions that buffers are allocated for. More positions move them.
    """

    def __init__(self, room: int = 0) -> None:
        super().__init__()
        self._room = room

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append states (B, heads, t, dim). Returns all keys and values, (B, heads, length, dim)."""
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._buffers = [
                _with_room(states[..., :0, :], max(end, self._room)) for states in (key_states, value_states)
            ]
        elif end > self._buffers[0].shape[-2]:
            longer = end + max(32, end // 4)
            self._buffers = [_with_room(buffer[..., :start, :], longer) for buffer in self._buffers]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., start:end, :] = states
        return self._show(end)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Continue with only these rows; one may be named several times. Fewer rows stay in the same memory."""
        length = self.get_seq_length()
        if length:
            self._buffers = [_with_rows(buffer, length, indices) for buffer in self._buffers]
            self._show(length)

    def _show(self, length: int) -> tuple[Tensor, Tensor]:
        keys, values = (buffer[..., :length, :] for buffer in self._buffers)
        self.keys, self.values = keys, values
        return keys, values


def _with_room(states: Tensor, length: int) -> Tensor:
    """A buffer for `length` positions that begins with `states`."""
    shape = list(states.shape)
    shape[-2] = length
    buffer = states.new_empty(shape)
    buffer[..., : states.shape[-2], :] = states
    return buffer


def _with_rows(buffer: Tensor, length: int, indices: Tensor) -> Tensor:
    """A buffer of these rows with their first `length` positions, in the same memory if there are no more rows."""
    rows = buffer[..., :length, :].index_select(0, indices)
    n = len(indices)
    buffer = buffer[:n] if n <= len(buffer) else buffer.new_empty(n, *buffer.shape[1:])
    buffer[..., :length, :] = rows
    return buffer


@functools.cache
def growing_layer() -> type[_Growing]:
    """The DynamicLayer of transformers with in-place growth."""
    from transformers.cache_utils import DynamicLayer as PlainLayer

    return type("GrowingLayer", (_Growing, PlainLayer), {})


def decoding_cache(model: Any, room: int = 0) -> Cache:
    """The cache that the model would make for itself, with plain layers replaced by growing ones.

    room: the number of positions that these are allocated for.
    """
    from transformers.cache_utils import DynamicCache, DynamicLayer, EncoderDecoderCache

    own = DynamicCache(config=model.config)
    own.layers = [growing_layer()(room) if type(layer) is DynamicLayer else layer for layer in own.layers]
    return EncoderDecoderCache(own, DynamicCache(config=model.config)) if model.config.is_encoder_decoder else own


def in_cache(model: Any, cache: Cache) -> dict[str, Any]:
    """A model's argument for a cache, which the forward writes into. transformers 5.24 gave it another name."""
    parameters = inspect.signature(without_adapters(model).forward).parameters
    return {"cache" if "cache" in parameters else "past_key_values": cache}


def without_adapters(model: Any) -> Any:
    """The model that adapters of peft were put on; any other one as it is."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def keep_rows(cache: Any, rows: Tensor) -> None:
    """Continue with only these rows in every layer. Layers of linear attention name the method differently."""
    parts = (cache.self_attention_cache, cache.cross_attention_cache) if hasattr(cache, "is_updated") else (cache,)
    for part in parts:
        for layer in part.layers:
            select = layer.reorder_cache if hasattr(layer, "recurrent_states") else layer.batch_select_indices
            select(rows)
