"""Per-token losses of the policy-gradient algorithms, and the weights with which they are summed."""

from __future__ import annotations

import torch
from torch import Tensor


def token_weights(lengths: Tensor, aggregation: str, longest: int) -> Tensor:
    """The weight in the loss of an optimiser step of each token of an episode, (B,) float64; docs/numerics.md, line 32.

    lengths: (B,) int64, the tokens of every episode of the step, of all processes. aggregation: "token_mean", 1 / N of
    all N tokens; "sequence_mean", 1 / (B L_b); "sequence_sum", 1 / B; "constant", 1 / (B T) with `longest` T, the most
    tokens that an episode can have (arXiv:2503.20783).
    """
    n, ones = len(lengths), torch.ones_like(lengths, dtype=torch.float64)
    divisors = {
        "token_mean": lengths.sum() * ones,
        "sequence_mean": n * lengths * ones,
        "sequence_sum": n * ones,
        "constant": n * longest * ones,
    }
    return 1 / divisors[aggregation]


def sequence_log_ratio(log_ratio: Tensor, rows: Tensor, reduce: str) -> Tensor:
    """(N,) the "sum" or "mean" over each episode of the log-ratios (N,) of its tokens, at each of them.

    rows: (N,) int64, the episode of a token.
    """
    n_rows = int(rows.max()) + 1
    total = log_ratio.new_zeros(n_rows).index_add(0, rows, log_ratio)
    if reduce == "mean":
        total = total / torch.bincount(rows, minlength=n_rows).clamp(min=1)
    return total[rows]


def clipped_policy_loss(
    ratio: Tensor, advantages: Tensor, clip_range: float, clip_range_high: float | None = None
) -> Tensor:
    """-min(r A, clip(r, 1 - c, 1 + c_high) A), Eq. 7 of arXiv:1707.06347. All (N,) or (B, T); returns the same shape.

    clip_range_high: the upper range if it differs ("clip-higher", arXiv:2503.14476).
    """
    high = clip_range if clip_range_high is None else clip_range_high
    clipped = torch.clamp(ratio, 1 - clip_range, 1 + high)
    return -torch.min(ratio * advantages, clipped * advantages)


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip_range: float | None = None) -> Tensor:
    """(V - R)^2. With `clip_range`, V is first limited to so much from the rollout's value, as in SB3's PPO."""
    if clip_range is not None:
        values = old_values + torch.clamp(values - old_values, -clip_range, clip_range)
    return (returns - values) ** 2
