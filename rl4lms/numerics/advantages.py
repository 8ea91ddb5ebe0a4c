"""Generalised advantage estimation over ragged episodes."""

from __future__ import annotations

import torch
from torch import Tensor


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, bootstrap: Tensor, gamma: float, gae_lambda: float
) -> tuple[Tensor, Tensor]:
    """Advantages and returns, Eq. 11 and 16 of arXiv:1506.02438 for finite episodes.

    rewards, values: (B, T) float, with any numbers at padding; mask: (B, T) bool, True = real, contiguous from 0;
    bootstrap: (B,) float, V of the state after the last real step, or 0 if the episode ended there.
    Returns (advantages, returns), each (B, T) and 0 at padding; returns = advantages + values (TD(lambda)).
    """
    zero = torch.zeros((), dtype=values.dtype, device=values.device)
    rewards, values = torch.where(mask, rewards, zero), torch.where(mask, values, zero)
    advantages = torch.zeros_like(values)
    lengths = mask.sum(1)
    next_value = bootstrap.to(values.dtype)
    running = torch.zeros_like(next_value)
    for t in range(values.shape[1] - 1, -1, -1):
        real, last = mask[:, t], lengths == t + 1
        following = torch.where(last, bootstrap, next_value)
        delta = rewards[:, t] + gamma * following - values[:, t]
        running = torch.where(real, delta + gamma * gae_lambda * torch.where(last, zero, running), zero)
        advantages[:, t] = running
        next_value = values[:, t]
    return advantages, torch.where(mask, advantages + values, zero)
