"""Masked reductions. Masks select and do not multiply, so that a NaN at padding does not reach a result."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """The sum over real entries, a scalar. values: any shape, float; mask: same shape, bool, True = real."""
    return torch.where(mask, values, torch.zeros((), dtype=values.dtype, device=values.device)).sum()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over real entries; nan if there are none, as `torch.mean` of an empty tensor."""
    return masked_sum(values, mask) / mask.sum()


def masked_std(values: Tensor, mask: Tensor, unbiased: bool = True) -> Tensor:
    """The standard deviation over real entries, with denominator n - 1 if `unbiased`, as in torch and SB3."""
    n = mask.sum()
    squares = masked_sum((values - masked_mean(values, mask)) ** 2, mask)
    return torch.sqrt(squares / (n - int(unbiased)))


def whiten(values: Tensor, mask: Tensor, unbiased: bool = True, eps: float = 1e-8) -> Tensor:
    """(x - mean) / (std + eps) over real entries, and 0 elsewhere. A single real entry is not changed.

    values: (...) float; mask: (...) bool. It equals `(x - x.mean()) / (x.std() + eps)` of the entries without padding
    (Stable-Baselines3, `PPO.train`), but for equal entries, which become exactly 0: their mean is rounded, and what
    that leaves is not small beside `eps`.
    """
    real = values[mask]
    if len(real) < 2:
        return torch.where(mask, values, torch.zeros_like(values))
    if bool(real.min() == real.max()):
        return torch.zeros_like(values)
    whitened = (values - masked_mean(values, mask)) / (masked_std(values, mask, unbiased) + eps)
    return torch.where(mask, whitened, torch.zeros_like(values))
