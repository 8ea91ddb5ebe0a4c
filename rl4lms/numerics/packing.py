"""Packs boolean masks over a vocabulary into bits: V / 8 bytes per token."""

from __future__ import annotations

import torch
from torch import Tensor

_BITS = 8


def pack_bits(mask: Tensor) -> Tensor:
    """(..., V) bool -> (..., ceil(V / 8)) uint8, least significant bit first."""
    v = mask.shape[-1]
    padded = torch.nn.functional.pad(mask.to(torch.uint8), (0, -v % _BITS))
    groups = padded.reshape(*mask.shape[:-1], -1, _BITS)
    weights = 2 ** torch.arange(_BITS, dtype=torch.uint8, device=mask.device)
    return (groups * weights).sum(-1, dtype=torch.uint8)


def unpack_bits(packed: Tensor, n: int) -> Tensor:
    """(..., ceil(n / 8)) uint8 -> (..., n) bool; the inverse of `pack_bits`."""
    shifts = torch.arange(_BITS, dtype=torch.uint8, device=packed.device)
    bits = (packed.unsqueeze(-1) >> shifts) & 1
    return bits.flatten(-2)[..., :n].bool()
