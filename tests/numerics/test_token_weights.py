"""The weight of a token in a loss."""

from __future__ import annotations

import pytest
import torch

from rl4lms.numerics.losses import token_weights


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
    torch.testing.assert_close(weights, torch.tensor(expected, dtype=torch.float64), rtol=1e-15, atol=0)
