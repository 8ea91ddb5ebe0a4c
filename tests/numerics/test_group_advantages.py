"""Scores relative to a group (docs/numerics.md, line 30): golden values, a definition term by term, invariances."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from rl4lms.numerics.advantages import best_of_group, group_advantages, has_spread, returns_to_go

T = torch.tensor
KINDS = [("mean", "none"), ("leave_one_out", "none"), ("mean", "std"), ("leave_one_out", "std"), ("none", "none")]
# Groups of 1 to 6 in any order. Few different scores, so that groups without spread and equal best ones occur.
rollouts = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.1, 0.7, 1.0])), min_size=1, max_size=12)


def columns(rollout: list[tuple[int, float]]) -> tuple[torch.Tensor, torch.Tensor]:
    groups, scores = zip(*rollout, strict=True)
    return T(scores, dtype=torch.float64), T(groups)


def slow(scores: list[float], groups: list[int], baseline: str, scale: str) -> list[float]:
    """Completion by completion, from the scores of its group."""
    advantages = []
    for score, group in zip(scores, groups, strict=True):
        own = [s for s, g in zip(scores, groups, strict=True) if g == group]
        k, mean = len(own), sum(own) / len(own)
        if baseline != "none" and len(set(own)) == 1:  # a group of one, too
            advantages.append(0.0)
            continue
        others = (sum(own) - score) / max(k - 1, 1)
        advantage = score - {"mean": mean, "leave_one_out": others, "none": 0.0}[baseline]
        std = math.sqrt(sum((s - mean) ** 2 for s in own) / max(k - 1, 1))
        advantages.append(advantage / (std + 1e-4) if scale == "std" else advantage)
    return advantages


@pytest.mark.parametrize(
    ("baseline", "scale", "high"),
    [("mean", "none", 0.5), ("leave_one_out", "none", 0.6666667), ("mean", "std", 0.8658754), ("none", "none", None)],
)
def test_golden(baseline, scale, high):
    scores = T([1.0, 0.0, 0.0, 1.0])
    expected = scores if high is None else T([high, -high, -high, high])
    found = group_advantages(scores, torch.zeros(4, dtype=torch.int64), baseline, scale)
    assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("baseline", "scale"), KINDS)
@given(rollout=rollouts)
@settings(max_examples=40, deadline=None)
def test_equal_the_definition(baseline, scale, rollout):
    scores, groups = columns(rollout)
    found = group_advantages(scores, groups, baseline, scale)
    expected = T(slow(scores.tolist(), groups.tolist(), baseline, scale), dtype=torch.float64)
    assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize(("baseline", "scale"), KINDS[:4])
def test_a_group_of_one_or_without_spread_gets_exactly_0(baseline, scale):
    """0.1 is not exact in binary: the mean of some numbers of it is another number."""
    sizes = range(1, 40)
    groups = torch.cat([torch.full((n,), n) for n in sizes])
    scores = torch.full(groups.shape, 0.1)
    means = torch.zeros(40).index_add(0, groups, scores) / torch.bincount(groups)
    assert (means[1:] != scores[0]).any(), "no mean was rounded: the test shows nothing"
    assert not group_advantages(scores, groups, baseline, scale).any()


@pytest.mark.parametrize(("baseline", "scale"), KINDS)
@given(rollout=rollouts, seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_order_and_names_of_groups_change_nothing(baseline, scale, rollout, seed):
    scores, groups = columns(rollout)
    order = torch.randperm(len(scores), generator=torch.Generator().manual_seed(seed))
    whole = group_advantages(scores, groups, baseline, scale)
    assert_close(group_advantages(scores[order], 100 - 7 * groups[order], baseline, scale), whole[order])


@given(rollout=rollouts)
@settings(max_examples=40, deadline=None)
def test_spread_and_best_of_group_equal_their_definitions(rollout):
    scores, groups = columns(rollout)
    rows = {g: [i for i, own in enumerate(groups.tolist()) if own == g] for g in sorted(set(groups.tolist()))}
    spread = [len({float(scores[i]) for i in rows[g]}) > 1 for g in groups.tolist()]
    assert has_spread(scores, groups).tolist() == spread
    assert best_of_group(scores, groups).tolist() == [max(own, key=lambda i: scores[i]) for own in rows.values()]
    assert best_of_group(-scores, groups).tolist() == [min(own, key=lambda i: scores[i]) for own in rows.values()]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_returns_to_go_equal_their_definition_and_ignore_poisoned_padding(lengths, seed):
    mask = torch.arange(max(lengths) + 2) < T(lengths).unsqueeze(1)
    rewards = torch.randn(mask.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = returns_to_go(torch.where(mask, rewards, torch.nan), mask)
    for row, n in enumerate(lengths):
        expected = [float(rewards[row, t:n].sum()) for t in range(n)]
        assert_close(found[row, :n], T(expected, dtype=torch.float64), rtol=0, atol=1e-12)
    assert not found[~mask].any()
