"""Masked reductions. Masks select, never multiply: a NaN in a padded place must not reach a result."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """Sum over the real places. values: any shape, float; mask: same shape, bool, True = real. Returns a scalar."""
    return torch.where(mask, values, torch.zeros((), dtype=values.dtype, device=values.device)).sum()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real places; nan if there is none, as `torch.mean` of an empty tensor."""
    return masked_sum(values, mask) / mask.sum()


def masked_std(values: Tensor, mask: Tensor, unbiased: bool = True) -> Tensor:
    """Standard deviation over the real places (denominator n - 1 if `unbiased`, as torch and SB3)."""
    n = mask.sum()
    squares = masked_sum((values - masked_mean(values, mask)) ** 2, mask)
    return torch.sqrt(squares / (n - int(unbiased)))


def whiten(values: Tensor, mask: Tensor, unbiased: bool = True, eps: float = 1e-8) -> Tensor:
    """(x - mean) / (std + eps) over the real places, 0 elsewhere; a single real place is returned as it is.

    values: (...) float; mask: (...) bool. Same as `(x - x.mean()) / (x.std() + eps)` of the unpadded slice
    (Stable-Baselines3, `PPO.train`).
    """
    if int(mask.sum()) < 2:
        return torch.where(mask, values, torch.zeros_like(values))
    whitened = (values - masked_mean(values, mask)) / (masked_std(values, mask, unbiased) + eps)
    return torch.where(mask, whitened, torch.zeros_like(values))
