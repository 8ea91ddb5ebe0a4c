"""The rules by which tokens are forbidden, forced or penalised, for all ways of decoding."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import InitVar, dataclass
from typing import Any

import torch
from torch import Tensor

Words = tuple[tuple[int, ...], ...]


def token_set(ids: int | Collection[int] | None) -> tuple[int, ...]:
    """One, several or no token ids as a sorted tuple."""
    if ids is None:
        return ()
    return (ids,) if isinstance(ids, int) else tuple(sorted({int(i) for i in ids}))


@functools.lru_cache(maxsize=256)
def id_tensor(ids: tuple[int, ...], device: torch.device) -> Tensor:
    """Token ids as a tensor. Cached, because decoding needs the same ones at every token, and copying them to a GPU
    each time would make it wait."""
    return torch.tensor(ids, dtype=torch.int64, device=device)


@dataclass
class History:
    """The tokens before the one that is chosen: the prompt (or a decoder's start token) and the response so far.

    ids: (B, L) int64, padded on the left; mask: (B, L) bool, True = real. room: tokens that may be appended.
    """

    ids: Tensor
    mask: Tensor
    room: InitVar[int] = 0

    def __post_init__(self, room: int) -> None:
        if room:
            self._buffers = [
                torch.nn.functional.pad(self.ids, (0, room)), torch.nn.functional.pad(self.mask, (0, room), value=True),
            ]  # fmt: skip
            self._show(self.ids.shape[1])

    def append(self, tokens: Tensor) -> None:
        """One more token in each row, in place. tokens: (B,)."""
        length = self.ids.shape[1]
        self._buffers[0][:, length] = tokens
        self._show(length + 1)

    def keep(self, rows: Tensor) -> None:
        """Continue with these rows; one may be named several times."""
        self._buffers = [buffer[rows] for buffer in self._buffers]
        self._show(self.ids.shape[1])

    def _show(self, length: int) -> None:
        self.ids, self.mask = (buffer[:, :length] for buffer in self._buffers)

    def last_words(self, n: int) -> tuple[Tensor, Tensor]:
        """All runs of n tokens, (B, W, n), in order, and whether all tokens of a run are real, (B, W)."""
        if self.ids.shape[1] < n:
            return self.ids.new_zeros(len(self.ids), 0, n), self.mask.new_zeros(len(self.ids), 0)
        return self.ids.unfold(1, n, 1), self.mask.unfold(1, n, 1).all(-1)


@dataclass(frozen=True)
class TokenRules:
    """The tokens that are forced or forbidden. The names in transformers are in brackets.

    forced_first [forced_bos_token_id]: the first token of every response.
    forced_last [forced_eos_token_id]: the choices for the last token of a response of full length. Forced tokens take
    precedence over all other rules.
    suppressed [suppress_tokens]: tokens that are never chosen.
    suppressed_first [begin_suppress_tokens]: tokens that are not chosen first, after a forced one.
    bad_words [bad_words_ids]: sequences that may not occur; the prompt counts.
    no_repeat_ngram_size: no sequence of so many tokens may occur twice.
    """

    forced_first: int | None = None
    forced_last: tuple[int, ...] = ()
    suppressed: tuple[int, ...] = ()
    suppressed_first: tuple[int, ...] = ()
    bad_words: Words = ()
    no_repeat_ngram_size: int = 0

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[str, Any]) -> TokenRules:
        """The rules in generation keyword arguments, which have the names of transformers."""
        return cls(
            forced_first=kwargs.get("forced_bos_token_id"),
            forced_last=token_set(kwargs.get("forced_eos_token_id")),
            suppressed=token_set(kwargs.get("suppress_tokens")),
            suppressed_first=token_set(kwargs.get("begin_suppress_tokens")),
            bad_words=tuple(tuple(word) for word in kwargs.get("bad_words_ids") or ()),
            no_repeat_ngram_size=int(kwargs.get("no_repeat_ngram_size") or 0),
        )

    @property
    def reads_history(self) -> bool:
        return self.no_repeat_ngram_size > 0 or any(len(word) > 1 for word in self.bad_words)

    def forced(self, step: int, last: bool) -> tuple[int, ...]:
        """The tokens of which this step must choose one; () if the choice is free."""
        if step == 0 and self.forced_first is not None:
            return (self.forced_first,)
        return self.forced_last if last else ()

    def allowed(
        self, logits: Tensor, step: int, last: bool, history: History | None, forbidden: Collection[int] = ()
    ) -> Tensor | None:
        """(B, V) bool, True = may be chosen as token `step` (from 0) of a response; None if all may be.

        logits: (B, V); only their shape and device are read. last: this token completes the response's full length.
        forbidden: more tokens that are not allowed at this step (stop tokens before a minimum length). The rules that
        read the history are not applied to a row if they would leave no token.
        """
        if forced := self.forced(step, last):
            nothing = torch.zeros_like(logits, dtype=torch.bool)
            return nothing.index_fill_(1, id_tensor(forced, logits.device), True)
        banned = (*self.suppressed, *forbidden, *(word[0] for word in self.bad_words if len(word) == 1))
        if step == (0 if self.forced_first is None else 1):
            banned += self.suppressed_first
        if not banned and not self.reads_history:
            return None
        mask = torch.ones_like(logits, dtype=torch.bool).index_fill_(1, id_tensor(banned, logits.device), False)
        if history is not None and self.reads_history:
            repeated = self._completing(mask, history)
            mask = torch.where((mask & ~repeated).any(-1, keepdim=True), mask & ~repeated, mask)
        return mask

    def _completing(self, mask: Tensor, history: History) -> Tensor:
        """(B, V) bool: the tokens that would complete a bad word, or repeat a sequence of the history."""
        banned = torch.zeros_like(mask)
        for word in self.bad_words:
            if len(word) > 1:
                begun, real = history.last_words(len(word) - 1)
                if begun.shape[1]:
                    first = id_tensor(word[:-1], begun.device)
                    banned[:, word[-1]] |= (begun[:, -1] == first).all(-1) & real[:, -1]
        if n := self.no_repeat_ngram_size:
            runs, real = history.last_words(n)
            if runs.shape[1]:
                begin = history.ids.shape[1] - (n - 1)
                tail, whole = history.ids[:, begin:].unsqueeze(1), history.mask[:, begin:].all(-1, keepdim=True)
                again = (runs[..., : n - 1] == tail).all(-1) & real & whole
                counts = torch.zeros(mask.shape, device=mask.device).scatter_add_(1, runs[..., -1], again.float())
                banned |= counts > 0
        return banned


def penalise_repetition(logits: Tensor, history: History, penalty: float) -> Tensor:
    """Divide positive logits of tokens in the history by the penalty, multiply negative ones (arXiv:1909.05858)."""
    counts = torch.zeros_like(logits).scatter_add_(1, history.ids, history.mask.to(logits.dtype))
    return torch.where(counts > 0, torch.where(logits < 0, logits * penalty, logits / penalty), logits)
