"""What token facts and penalties do to the choice of the next token, in every decoder alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Words = tuple[tuple[int, ...], ...]


def token_set(ids: int | Collection[int] | None) -> tuple[int, ...]:
    """Token ids given as one, several or none, in ascending order."""
    if ids is None:
        return ()
    return (ids,) if isinstance(ids, int) else tuple(sorted({int(i) for i in ids}))


@dataclass(frozen=True)
class History:
    """The tokens before the one that is chosen, without padding: a prompt (or a decoder's start) and a response so far.

    ids: (B, L) int64, padded on the left; mask: (B, L) bool, True = real.
    """

    ids: Tensor
    mask: Tensor

    def append(self, tokens: Tensor) -> History:
        """tokens: (B,), one more for each row."""
        real = torch.ones_like(self.mask[:, :1])
        return History(torch.cat([self.ids, tokens.unsqueeze(1)], 1), torch.cat([self.mask, real], 1))

    def rows(self, index: Tensor) -> History:
        return History(self.ids[index], self.mask[index])

    def last_words(self, n: int) -> tuple[Tensor, Tensor]:
        """(B, W, n) runs of n tokens, in order, and (B, W) whether all of one are real."""
        if self.ids.shape[1] < n:
            return self.ids.new_zeros(len(self.ids), 0, n), self.mask.new_zeros(len(self.ids), 0)
        return self.ids.unfold(1, n, 1), self.mask.unfold(1, n, 1).all(-1)


@dataclass(frozen=True)
class TokenRules:
    """Which tokens may be chosen where. Names of transformers in brackets.

    forced_first [forced_bos_token_id]: the first token of every response; forced_last [forced_eos_token_id]: all that
    the last token of the full length may be; a forced token is forced whatever else is said of it.
    suppressed [suppress_tokens]: never; suppressed_first [begin_suppress_tokens]: not as the first that is chosen;
    bad_words [bad_words_ids]: not as sequences, prompt included; no_repeat_ngram_size: no run of so many tokens twice.
    """

    forced_first: int | None = None
    forced_last: tuple[int, ...] = ()
    suppressed: tuple[int, ...] = ()
    suppressed_first: tuple[int, ...] = ()
    bad_words: Words = ()
    no_repeat_ngram_size: int = 0

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[str, Any]) -> TokenRules:
        """From generation keyword arguments under transformers' names."""
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
        """What the token of this step must be one of; () if it is free."""
        if step == 0 and self.forced_first is not None:
            return (self.forced_first,)
        return self.forced_last if last else ()

    def allowed(
        self, logits: Tensor, step: int, last: bool, history: History | None, forbidden: Collection[int] = ()
    ) -> Tensor | None:
        """(B, V) bool, True = may be chosen as token `step` (from 0) of a response; None if all may.

        logits: (B, V), whose shape and device count; last: the token fills the response's length; forbidden: what may
        not be chosen at this step either (stop tokens before a minimum length). A row of which nothing would be left
        keeps what it has.
        """
        if forced := self.forced(step, last):
            mask = torch.zeros_like(logits, dtype=torch.bool)
            mask[:, list(forced)] = True
            return mask
        banned = [*self.suppressed, *forbidden, *(word[0] for word in self.bad_words if len(word) == 1)]
        if step == (0 if self.forced_first is None else 1):
            banned += self.suppressed_first
        if not banned and not self.reads_history:
            return None
        mask = torch.ones_like(logits, dtype=torch.bool)
        mask[:, banned] = False
        if history is not None and self.reads_history:
            repeated = self._completing(mask, history)
            mask = torch.where((mask & ~repeated).any(-1, keepdim=True), mask & ~repeated, mask)
        return mask

    def _completing(self, mask: Tensor, history: History) -> Tensor:
        """(B, V) bool: tokens that would complete a bad word, or a run of tokens that is in the history already."""
        banned = torch.zeros_like(mask)
        for word in self.bad_words:
            if len(word) > 1:
                begun, real = history.last_words(len(word) - 1)
                if begun.shape[1]:
                    first = begun.new_tensor(word[:-1])
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
    """Logits of tokens in the history divided by the penalty if positive, else multiplied (arXiv:1909.05858)."""
    counts = torch.zeros_like(logits).scatter_add_(1, history.ids, history.mask.to(logits.dtype))
    return torch.where(counts > 0, torch.where(logits < 0, logits * penalty, logits / penalty), logits)
