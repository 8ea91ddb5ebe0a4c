"""Estimates over tasks and seeds: hand values of three runs, rliable's numbers, and the coverage of every interval."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import vs_rliable
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.seed_statistics import (
    effect_size,
    improvement,
    interquartile_mean,
    median_of_tasks,
    not_worse,
    profile,
    ranks,
    stratified_mean,
)
from rl4lms.results.statistics import Floats, Interval

LEVEL = 0.95
T_975 = {1: 12.706205, 2: 4.3026527, 4: 2.7764451}

# Three runs of one task, by hand: mean 2, variance 1.
THREE = np.array([[1.0, 2.0, 3.0]])
OTHERS = np.array([[0.0, 2.0, 2.5]])


def test_three_runs_by_hand() -> None:
    mean = stratified_mean(THREE, level=LEVEL)
    assert (mean.mean, mean.n, mean.kind) == (2.0, 3, "t")
    assert mean.high - 2.0 == pytest.approx(T_975[2] / math.sqrt(3), rel=1e-7)
    # A quarter of three runs is none: nothing is trimmed.
    assert interquartile_mean(THREE, level=LEVEL) == mean
    assert median_of_tasks(THREE, level=LEVEL, n_resamples=100, rng=numpy_generator(0)).mean == 2.0
    # Pairs of 1, 2, 3 with 0, 2, 2.5: one, one tie and one, three: (1 + 1.5 + 3) / 9.
    assert improvement(THREE, OTHERS) == pytest.approx([5.5 / 9])
    # Variances 1 and 1.75, so g = 0.5 / sqrt(1.375) * (1 - 3 / 15).
    assert effect_size(THREE, OTHERS) == pytest.approx(0.5 / math.sqrt(1.375) * 0.8)
    assert profile(THREE, np.array([0.5, 1.0, 2.9, 3.0])).tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0])
    by_run = ranks({"a": THREE, "b": OTHERS})
    assert by_run["a"].tolist() == [[1, 1.5, 1]] and by_run["b"].tolist() == [[2, 1.5, 2]]


def test_two_tasks_by_hand() -> None:
    # Variances 2 and 8 of two seeds each: the mean's is (2 + 8) / 2 / 4 = 1.25; Welch's degrees of freedom are
    # 10^2 / ((2^2 + 8^2) / 3) - 2 = 2.41, so 2.
    scores = np.array([[0.0, 2.0], [3.0, 7.0]])
    mean = stratified_mean(scores, level=LEVEL)
    assert mean.mean == 3.0
    assert mean.high - 3.0 == pytest.approx(T_975[2] * math.sqrt(1.25), rel=1e-7)
    iqm = interquartile_mean(scores, level=LEVEL)
    # 2 and 3 are left, and the other two become these: no task scatters any more within what is kept but by 2 - 2.
    assert iqm.mean == 2.5
    assert iqm.low == iqm.high == 2.5


def test_an_interquartile_mean_of_one_task_is_tukey_and_mclaughlins() -> None:
    scores = np.array([[1.0, 4.0, 5.0, 9.0, 30.0]])
    # 4, 5, 9 are left; winsorised 4, 4, 5, 9, 9: squares 26.8 around 6.2, over h (h - 1) = 6.
    interval = interquartile_mean(scores, level=LEVEL)
    assert interval.mean == 6.0
    assert interval.high - 6.0 == pytest.approx(T_975[2] * math.sqrt(26.8 / 6), rel=1e-7)


def test_one_seed_has_no_interval() -> None:
    scores = np.array([[0.2], [0.4], [0.9]])
    for found in (
        stratified_mean(scores, level=LEVEL),
        interquartile_mean(scores, level=LEVEL),
        median_of_tasks(scores, level=LEVEL, n_resamples=10, rng=numpy_generator(0)),
    ):
        assert found.kind == "point" and found.low == found.high
    assert math.isnan(effect_size(scores, scores - 0.1))


def test_rliable_says_the_same() -> None:
    """Of rliable 1.2.0, as `python -m benchmarks.vs_rliable --write` kept it."""
    golden = json.loads(vs_rliable.GOLDEN.read_text())
    assert golden["rliable"] == "1.2.0" and golden["asked"] == vs_rliable.question()
    found = vs_rliable.differences(golden["asked"], golden["cases"])
    assert len(found) == 5
    assert max(max(pair) for pair in found.values()) < 1e-12


# Coverage: tasks that differ in level and in how much their seeds scatter.

MEANS = np.linspace(-0.5, 1.5, 7)
SCATTER = np.array([0.3, 1.0, 0.5, 2.0, 0.7, 1.4, 0.4])


def draws(n_seeds: int, n_trials: int) -> Floats:
    rng = numpy_generator("coverage", n_seeds)
    return MEANS[:, None] + SCATTER[:, None] * rng.standard_normal((n_trials, len(MEANS), n_seeds))


def true_iqm() -> float:
    scores = np.sort(draws(40_000, 1), axis=None)
    return float(scores[scores.size // 4 : scores.size - scores.size // 4].mean())


def median_interval(scores: Floats) -> Interval:
    return median_of_tasks(scores, level=LEVEL, n_resamples=400, rng=numpy_generator(0, "median"))


@pytest.mark.parametrize("n_seeds", [2, 3, 5, 10])
@pytest.mark.parametrize(
    ("estimate", "truth", "bounds"),
    [
        (lambda x: stratified_mean(x, level=LEVEL), lambda: MEANS.mean(), (0.93, 0.97)),
        (lambda x: stratified_mean(x[:1], level=LEVEL), lambda: MEANS[0], (0.93, 0.97)),
        (lambda x: interquartile_mean(x, level=LEVEL), true_iqm, (0.92, 0.97)),
        (median_interval, lambda: np.median(MEANS), (0.93, 1.0)),
    ],
    ids=["mean", "mean of one task", "interquartile mean", "median"],
)
def test_intervals_cover_as_often_as_they_say(
    n_seeds: int, estimate: Callable[[Floats], Interval], truth: Callable[[], float], bounds: tuple[float, float]
) -> None:
    """1,500 suites; the standard error of the share is 0.006. The median's interval is known to be wide."""
    value = truth()
    found = [estimate(scores) for scores in draws(n_seeds, 1500)]
    share = np.mean([each.low <= value <= each.high for each in found])
    assert bounds[0] <= share <= bounds[1]


def test_the_best_is_among_those_that_are_marked() -> None:
    """1,000 suites of five methods of which one is better than the next by less than a seed scatters."""
    rng, kept, marked = numpy_generator("best"), 0, []
    levels = {"a": 0.0, "b": 0.1, "c": 0.5, "d": 3.0, "e": 2.8}
    for _ in range(1000):
        shared = rng.standard_normal((1, 5))
        scores = {method: level + shared + 0.5 * rng.standard_normal((1, 5)) for method, level in levels.items()}
        found = not_worse(scores, higher_is_better=True, level=LEVEL)
        kept += "d" in found
        marked.append(len(found))
        turned = {method: -own for method, own in scores.items()}
        assert not_worse(turned, higher_is_better=False, level=LEVEL) == found
    assert kept >= 950
    assert np.mean(marked) < 4, "and others are not"


def test_equal_methods_are_all_the_best_and_a_constant_gap_is_none() -> None:
    scores = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]])
    assert not_worse({"a": scores, "b": scores}, higher_is_better=True, level=LEVEL) == {"a", "b"}
    assert not_worse({"a": scores, "b": scores - 0.1}, higher_is_better=True, level=LEVEL) == {"a"}
    assert not_worse({"a": scores}, higher_is_better=True, level=LEVEL) == {"a"}
