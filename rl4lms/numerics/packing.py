"""Packs boolean masks over a vocabulary into bits: V / 8 bytes per token."""

from __future__ import annotations

import torch
from torch import Tensor

_BITS = 8
# The product of eight bytes of 0 or 1, read as one number, with this has their bits in its highest byte: 2 ** (8 * i)
# times 2 ** (56 - 7 * i) is 2 ** (56 + i), and every other product of two powers lies below it or is lost.
_GATHER_BITS = sum(2 ** (56 - 7 * i) for i in range(_BITS))


def pack_bits(mask: Tensor) -> Tensor:
    """(..., V) bool -> (..., ceil(V / 8)) uint8, least significant bit first."""
    if missing := -mask.shape[-1] % _BITS:
        mask = torch.nn.functional.pad(mask, (0, missing))
    groups = mask.contiguous().view(torch.int64)  # a byte each, the first one lowest
    products: Tensor = groups * _GATHER_BITS
    return products.view(torch.uint8)[..., _BITS - 1 :: _BITS]


def unpack_bits(packed: Tensor, n: int) -> Tensor:
    """(..., ceil(n / 8)) uint8 -> (..., n) bool; the inverse of `pack_bits`."""
    shifts = torch.arange(_BITS, dtype=torch.uint8, device=packed.device)
    bits = (packed.unsqueeze(-1) >> shifts) & 1
    return bits.flatten(-2)[..., :n].bool()
