"""Advantages: generalised advantage estimation over ragged episodes, and scores relative to a group of completions."""

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


def group_advantages(
    scores: Tensor, group: Tensor, baseline: str = "mean", scale: str = "std", eps: float = 1e-4
) -> Tensor:
    """How much better each completion is than the others of its group (docs/numerics.md, line 30).

    scores: (B,) float; group: (B,) int64, equal for the completions of one prompt. baseline: "mean" of the group
    (arXiv:2402.03300), "leave_one_out", the mean of the others, which is k / (k - 1) times that (arXiv:2402.14740), or
    "none". scale: "std" divides by the group's unbiased standard deviation + eps, "none" does not (arXiv:2503.20783).
    Returns (B,). With a baseline, a group of one, or whose scores are all equal, gets exactly 0.
    """
    _, index = torch.unique(group, return_inverse=True)
    n = torch.bincount(index).to(scores.dtype)
    mean = torch.zeros_like(n).index_add(0, index, scores) / n
    centred = scores if baseline == "none" else scores - mean[index]
    if scale == "std":
        squares = torch.zeros_like(n).index_add(0, index, (scores - mean[index]) ** 2)
        centred = centred / (torch.sqrt(squares / (n - 1).clamp(min=1)) + eps)[index]
    if baseline == "none":
        return centred
    if baseline == "leave_one_out":
        centred = centred * (n / (n - 1).clamp(min=1))[index]
    return torch.where(has_spread(scores, group), centred, 0.0)


def has_spread(scores: Tensor, group: Tensor) -> Tensor:
    """(B,) bool: whether the scores (B,) of a completion's group differ. Rounding of a mean cannot make them differ."""
    _, index = torch.unique(group, return_inverse=True)
    low = scores.new_zeros(int(index.max()) + 1).scatter_reduce(0, index, scores, "amin", include_self=False)
    high = torch.zeros_like(low).scatter_reduce(0, index, scores, "amax", include_self=False)
    return (high > low)[index]


def best_of_group(scores: Tensor, group: Tensor) -> Tensor:
    """(G,) int64, where in scores (B,) the highest of each group is, the first of equal ones, by ascending group."""
    order = torch.argsort(scores, descending=True, stable=True)
    order = order[torch.argsort(group[order], stable=True)]
    firsts = torch.ones_like(group, dtype=torch.bool)
    firsts[1:] = group[order][1:] != group[order][:-1]
    return order[firsts]


def returns_to_go(rewards: Tensor, mask: Tensor) -> Tensor:
    """(B, T) the sum of the rewards (B, T) from each token on, and 0 at padding."""
    rewards = torch.where(mask, rewards, 0.0)
    return torch.where(mask, rewards.flip(1).cumsum(1).flip(1), 0.0)
