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
    The masks cannot be inferred from the ids, because the padding id may be the eos id.
    """

    prompt_ids: Tensor
    prompt_mask: Tensor
    response_ids: Tensor
    response_mask: Tensor
    action_mask_bits: Tensor | None = None

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
        )

    def to(self, device: torch.device | str) -> Sequences:
        """The same sequences on another device."""
        columns = (self.prompt_ids, self.prompt_mask, self.response_ids, self.response_mask, self.action_mask_bits)
        return Sequences(*(x if x is None else x.to(device) for x in columns))  # type: ignore[arg-type]


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
