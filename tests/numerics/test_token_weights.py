"""Losses of tokens and their weights in an optimiser step (docs/numerics.md, line 32), each against a naive loop."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from rl4lms.numerics.losses import clipped_policy_loss, sequence_log_ratio, token_weights

LENGTHS, LONGEST = [3, 7, 1, 5], 11
ROWS = torch.cat([torch.full((n,), row) for row, n in enumerate(LENGTHS)])
VALUES = torch.randn(len(ROWS), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Episodes = list[list[float]]
NAIVE: dict[str, Callable[[Episodes], float]] = {
    "token_mean": lambda episodes: sum(map(sum, episodes)) / sum(map(len, episodes)),
    "sequence_mean": lambda episodes: sum(sum(own) / len(own) for own in episodes) / len(episodes),
    "sequence_sum": lambda episodes: sum(map(sum, episodes)) / len(episodes),
    "constant": lambda episodes: sum(map(sum, episodes)) / (len(episodes) * LONGEST),
}


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("token_mean", [1 / 10, 1 / 10]),
        ("sequence_mean", [1 / 6, 1 / 14]),
        ("sequence_sum", [1 / 2, 1 / 2]),
        ("constant", [1 / 22, 1 / 22]),
    ],
)
def test_each_is_a_float64_reciprocal(aggregation: str, expected: list[float]) -> None:
    weights = token_weights(torch.tensor([3, 7]), aggregation, longest=11)
    assert_close(weights, torch.tensor(expected, dtype=torch.float64), rtol=1e-15, atol=0)


@pytest.mark.parametrize("aggregation", NAIVE)
def test_weighted_sums_are_the_naive_means_and_micro_batches_add_up(aggregation: str) -> None:
    weights = token_weights(torch.tensor(LENGTHS), aggregation, LONGEST)[ROWS]
    expected = NAIVE[aggregation]([VALUES[row == ROWS].tolist() for row in range(len(LENGTHS))])
    assert float((weights * VALUES).sum()) == pytest.approx(expected, abs=1e-10)
    parts = [(weights * VALUES)[torch.isin(ROWS, torch.tensor(own))].sum() for own in ([2], [0, 3], [1])]
    assert float(sum(parts)) == pytest.approx(expected, abs=1e-10)


def test_micro_batches_golden() -> None:
    """Micro-batches [4] and [1, 1, 1]: the token mean is 1.75; 2.5, the mean of means, is the sequence mean."""
    values, rows = torch.tensor([4.0, 1.0, 1.0, 1.0], dtype=torch.float64), torch.tensor([0, 1, 1, 1])
    means = [(token_weights(torch.tensor([1, 3]), a, 3)[rows] * values).sum() for a in ("token_mean", "sequence_mean")]
    assert [float(mean) for mean in means] == pytest.approx([1.75, 2.5], abs=1e-12)


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_a_sequence_has_one_ratio(reduce: str) -> None:
    """The exponential is the product of the ratios of the tokens, or their geometric mean; in any order of tokens."""
    order = torch.randperm(len(ROWS), generator=torch.Generator().manual_seed(1))
    found = torch.exp(sequence_log_ratio(VALUES[order], ROWS[order], reduce))
    for ratio, row in zip(found.tolist(), ROWS[order].tolist(), strict=True):
        product = math.prod(math.exp(v) for v in VALUES[row == ROWS].tolist())
        assert ratio == pytest.approx(product if reduce == "sum" else product ** (1 / LENGTHS[row]), rel=1e-10)
    gaps = sequence_log_ratio(torch.tensor([1.0, 2.0]), torch.tensor([0, 2]), reduce)  # an episode without a token
    assert gaps.tolist() == [1.0, 2.0]


def test_two_clip_ranges() -> None:
    """min(r A, clip(r) A) with ranges 0.2 below and 0.5 above, and its gradient, which is 0 where the clip holds."""
    pairs = [(r, a) for r in (0.7, 0.9, 1.0, 1.3, 1.6) for a in (1.0, -1.0)]
    ratio, advantage = (torch.tensor(x, dtype=torch.float64) for x in zip(*pairs, strict=True))
    ratio.requires_grad_()
    losses = clipped_policy_loss(ratio, advantage, 0.2, 0.5)
    losses.sum().backward()
    assert ratio.grad is not None
    for loss, slope, (r, a) in zip(losses.tolist(), ratio.grad.tolist(), pairs, strict=True):
        limited = min(max(r, 0.8), 1.5)
        assert loss == pytest.approx(-min(r * a, limited * a), abs=1e-12)
        assert slope == pytest.approx(0.0 if (r > 1.5 and a > 0) or (r < 0.8 and a < 0) else -a, abs=1e-12)
    equal = clipped_policy_loss(ratio, advantage, 0.2, 0.2)
    assert torch.equal(clipped_policy_loss(ratio, advantage, 0.2), equal) and not torch.equal(losses, equal)
