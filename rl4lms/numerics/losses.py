"""Per-token losses of the policy-gradient algorithms, which the caller reduces."""

from __future__ import annotations

import torch
from torch import Tensor


def clipped_policy_loss(ratio: Tensor, advantages: Tensor, clip_range: float) -> Tensor:
    """-min(r A, clip(r, 1 - c, 1 + c) A), Eq. 7 of arXiv:1707.06347. All (N,) or (B, T); returns the same shape."""
    clipped = torch.clamp(ratio, 1 - clip_range, 1 + clip_range)
    return -torch.min(ratio * advantages, clipped * advantages)


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip_range: float | None = None) -> Tensor:
    """(V - R)^2. With `clip_range`, V is first limited to so much from the rollout's value, as in SB3's PPO."""
    if clip_range is not None:
        values = old_values + torch.clamp(values - old_values, -clip_range, clip_range)
    return (returns - values) ** 2
