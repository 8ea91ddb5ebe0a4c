"""Finished sequences, and views of their tokens, which a policy scores in one forward."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rl4lms.numerics.packing import unpack_bits


@dataclass(frozen=True)
class Sequences:
    """B prompts and their responses.

    prompt_ids: (B, P) int64 and prompt_mask: (B, P) bool, left-padded.
    response_ids: (B, T) int64 and response_mask: (B, T) bool, right-padded, True up to the last real token.
    action_mask_bits: (B, T, ceil(V / 8)) uint8, the packed sets of actions that could be sampled, or None for all.
    groups: (B,) int64, equal for responses to one prompt that was drawn once, ascending; None if each has its own.
    The masks cannot be inferred from the ids, because the padding id may be the eos id.
    """

    prompt_ids: Tensor
    prompt_mask: Tensor
    response_ids: Tensor
    response_mask: Tensor
    action_mask_bits: Tensor | None = None
    groups: Tensor | None = None

    def __len__(self) -> int:
        return self.prompt_ids.shape[0]

    def rows(self, index: Tensor) -> Sequences:
        """The episodes at `index` (K,), trimmed to their longest prompt and response."""
        prompt_mask, response_mask = self.prompt_mask[index], self.response_mask[index]
        p = max(int(prompt_mask.sum(1).max()), 1) if len(index) else 1
        t = max(int(response_mask.sum(1).max()), 1) if len(index) else 1
        bits = self.action_mask_bits
        return Sequences(
            prompt_ids=self.prompt_ids[index, -p:],
            prompt_mask=prompt_mask[:, -p:],
            response_ids=self.response_ids[index, :t],
            response_mask=response_mask[:, :t],
            action_mask_bits=None if bits is None else bits[index, :t],
            groups=None if self.groups is None else self.groups[index],
        )

    def prompts(self) -> tuple[Tensor, Tensor] | None:
        """(G,) the first row of every group and (B,) the group of every row, from 0; None if no prompt is shared."""
        if self.groups is None or len(self) < 2:
            return None
        found, group = torch.unique(self.groups, return_inverse=True)
        if len(found) == len(self):
            return None
        rows = torch.arange(len(self), device=group.device)
        first = rows.new_full((len(found),), len(self)).scatter_reduce(0, group, rows, "amin")
        return first, group


def join_sequences(parts: list[Sequences], pad_id: int) -> Sequences:
    """All sequences as one batch, padded to the longest prompt (left) and the longest response (right)."""
    p = max(part.prompt_ids.shape[1] for part in parts)
    t = max(part.response_ids.shape[1] for part in parts)
    bits = [part.action_mask_bits for part in parts]
    packed = next((b for b in bits if b is not None), None)
    if packed is not None:
        width = packed.shape[-1]
        free = [part.response_ids.new_full((*part.response_ids.shape, width), 255, dtype=torch.uint8) for part in parts]
        bits = [f if b is None else b for b, f in zip(bits, free, strict=True)]
    groups = [part.groups for part in parts if part.groups is not None]
    return Sequences(
        torch.cat([pad_left(part.prompt_ids, p, pad_id) for part in parts]),
        torch.cat([pad_left(part.prompt_mask, p, False) for part in parts]),
        torch.cat([pad_right(part.response_ids, t, pad_id) for part in parts]),
        torch.cat([pad_right(part.response_mask, t, False) for part in parts]),
        None if packed is None else torch.cat([pad_right(b, t, 255) for b in bits if b is not None]),
        torch.cat(groups) if groups else None,
    )


def pad_left(x: Tensor, length: int, value: float) -> Tensor:
    """(B, L) -> (B, length)."""
    return torch.nn.functional.pad(x, (length - x.shape[1], 0), value=value)


def pad_right(x: Tensor, length: int, value: float) -> Tensor:
    """(B, L, ...) -> (B, length, ...)."""
    return torch.nn.functional.pad(x, (*((0, 0) * (x.ndim - 2)), 0, length - x.shape[1]), value=value)


@dataclass(frozen=True)
class TokenView:
    """N response tokens of some sequences: the `observations` of a minibatch.

    rows, cols: (N,) int64, the episode and the step of each token in `sequences`.
    """

    sequences: Sequences
    rows: Tensor
    cols: Tensor

    def __len__(self) -> int:
        return self.rows.shape[0]

    def scatter(self, values: Tensor) -> Tensor:
        """(B, T) with the entries of `values` (N,) for the tokens, and 0 elsewhere."""
        return values.new_zeros(self.sequences.response_ids.shape).index_put((self.rows, self.cols), values)

    def gather(self, values: Tensor) -> Tensor:
        """The entries (N, ...) of values (B, T, ...) for the tokens."""
        return values[self.rows, self.cols]

    def action_mask(self, vocab_size: int) -> Tensor | None:
        """The allowed actions, (N, V) bool, or None if all were allowed."""
        bits = self.sequences.action_mask_bits
        return None if bits is None else unpack_bits(self.gather(bits), vocab_size)


def all_tokens(sequences: Sequences) -> TokenView:
    """A view of all real response tokens, ordered by episode."""
    rows, cols = torch.nonzero(sequences.response_mask, as_tuple=True)
    return TokenView(sequences, rows, cols)
