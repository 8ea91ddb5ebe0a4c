"""Intervals and tests for scores: over test samples, over runs (seeds), and over tasks.

numpy only. Every function draws from the generator it is given (`core.seeding.numpy_generator`), so a number depends on
its keys and its data, never on which other number was computed before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rl4lms.core.errors import DataError
from rl4lms.results.suite import MIN_SEEDS

Floats = NDArray[np.float64]

ALPHA = 0.05  # a p-value below it is called significant

_BLOCK = 1 << 22  # sample indices drawn at a time: 32 MB, whatever the size of the test split


@dataclass(frozen=True)
class Interval:
    """A mean with the bounds around it. kind: "t", "bootstrap", "range" (lowest and highest run) or "point"."""

    mean: float
    low: float
    high: float
    n: int
    kind: str


@dataclass(frozen=True)
class PairedTest:
    """Difference of two systems on the same samples: a - b, its interval, and the p-values of "no difference".

    p_greater: one-sided, against "a is better"; p_two_sided: against any difference.
    """

    difference: float
    low: float
    high: float
    p_greater: float
    p_two_sided: float
    n: int


def _scores(values: ArrayLike, what: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise DataError(f"{what}: expected a non-empty list of numbers, found shape {array.shape}.")
    if not np.isfinite(array).all():
        raise DataError(f"{what}: {int((~np.isfinite(array)).sum())} of {array.size} values are not finite.")
    return array


def _sample_indices(rng: np.random.Generator, n: int, n_resamples: int) -> Iterator[NDArray[np.int64]]:
    """Blocks of (b, n) indices drawn with replacement; the blocks together have `n_resamples` rows."""
    rows = max(1, _BLOCK // n)
    for start in range(0, n_resamples, rows):
        yield rng.integers(0, n, size=(min(rows, n_resamples - start), n))


def resampled_means(values: ArrayLike, n_resamples: int, rng: np.random.Generator) -> Floats:
    """(n,) -> (n_resamples,): means of samples of size n drawn with replacement."""
    scores = _scores(values, "bootstrap")
    return np.concatenate([scores[i].mean(axis=1) for i in _sample_indices(rng, scores.size, n_resamples)])


def percentile_bounds(means: Floats, level: float) -> tuple[float, float]:
    """The central `level` of a bootstrap distribution (percentile method, Efron and Tibshirani 1993, ch. 13)."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


def mean_interval(values: ArrayLike, *, level: float, n_resamples: int, rng: np.random.Generator) -> Interval:
    """Mean of `values` (n,) and its bootstrap percentile interval. One value has no spread: kind "point"."""
    scores = _scores(values, "bootstrap interval")
    mean = float(scores.mean())
    if scores.size == 1:
        return Interval(mean, mean, mean, 1, "point")
    low, high = percentile_bounds(resampled_means(scores, n_resamples, rng), level)
    return Interval(mean, low, high, int(scores.size), "bootstrap")


def paired_test(a: ArrayLike, b: ArrayLike, *, level: float, n_resamples: int, rng: np.random.Generator) -> PairedTest:
    """Paired bootstrap over samples (Berg-Kirkpatrick et al. 2012, aclanthology D12-1091, algorithm 1).

    a, b: (n,) scores of two systems on the same n samples in the same order. With d = a - b and d* a resampled mean,
    p_greater = (1 + #{d* - mean(d) >= mean(d)}) / (1 + n_resamples): how often the same data, centred on no
    difference, shows a gain as large. Two-sided, both sides of the inequality are absolute values.
    """
    left, right = _scores(a, "paired test"), _scores(b, "paired test")
    if left.shape != right.shape:
        raise DataError(f"paired test: {left.size} and {right.size} scores; expected the same samples in both.")
    difference = left - right
    observed = float(difference.mean())
    means = resampled_means(difference, n_resamples, rng)
    # Ties are decided in favour of "no difference"; the tolerance keeps them ties under rounding.
    centred, tolerance = means - observed, 1e-12 * float(np.abs(difference).max())
    as_large = int((centred >= observed - tolerance).sum())
    as_far = int((np.abs(centred) >= abs(observed) - tolerance).sum())
    low, high = percentile_bounds(means, level)
    return PairedTest(
        difference=observed,
        low=low,
        high=high,
        p_greater=(1 + as_large) / (1 + n_resamples),
        p_two_sided=(1 + as_far) / (1 + n_resamples),
        n=int(difference.size),
    )


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down adjustment (Scandinavian Journal of Statistics 6, 1979): the k-th smallest of n times n - k + 1.

    Never below one that is smaller, never above 1: as many tests as there are, 5 in 100 such tables hold a false one.
    """
    adjusted, largest = {}, 0.0
    for k, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, p * (len(p_values) - k)))
        adjusted[name] = largest
    return adjusted


def stratified_interval(
    strata: Sequence[ArrayLike], *, level: float, n_resamples: int, rng: np.random.Generator
) -> Interval:
    """Average of the strata's means, with a bootstrap that resamples inside each stratum and never across.

    strata: one array (runs, samples) per task; rows are seeds, columns the test samples that all seeds share (one
    column where a metric has a corpus value alone). Runs and samples are resampled independently of each other
    (Owen 2007, "the pigeonhole bootstrap"), so both the choice of seed and that of test rows show in the interval.
    n counts the runs.
    """
    blocks = [np.asarray(stratum, dtype=np.float64) for stratum in strata]
    if not blocks or any(block.ndim != 2 or block.size == 0 for block in blocks):
        raise DataError("stratified bootstrap: expected a non-empty (runs, samples) table for every task.")
    mean = float(np.mean([block.mean() for block in blocks]))
    n_runs = sum(block.shape[0] for block in blocks)
    if all(block.size == 1 for block in blocks):
        return Interval(mean, mean, mean, n_runs, "point")
    total = np.zeros(n_resamples)
    for block in blocks:
        total += _crossed_means(block, n_resamples, rng)
    low, high = percentile_bounds(total / len(blocks), level)
    return Interval(mean, low, high, n_runs, "bootstrap")


def _crossed_means(block: Floats, n_resamples: int, rng: np.random.Generator) -> Floats:
    """(runs, samples) -> (n_resamples,): means over resampled runs of means over resampled samples."""
    n_runs, n_samples = block.shape
    runs = rng.integers(0, n_runs, size=(n_resamples, n_runs))
    by_run = [block[:, i].mean(axis=2) for i in _sample_indices(rng, n_samples, n_resamples)]  # each (runs, b)
    means: Floats = np.take_along_axis(np.concatenate(by_run, axis=1).T, runs, axis=1).mean(axis=1)
    return means


def seeds_interval(values: ArrayLike, *, level: float) -> Interval:
    """Mean over runs with a Student-t interval where there are at least 5, else with the lowest and highest run."""
    scores = _scores(values, "interval over seeds")
    mean, n = float(scores.mean()), int(scores.size)
    if n == 1:
        return Interval(mean, mean, mean, 1, "point")
    if n < MIN_SEEDS:
        return Interval(mean, float(scores.min()), float(scores.max()), n, "range")
    half = student_t_quantile((1.0 + level) / 2.0, n - 1) * float(scores.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n, "t")


def student_t_cdf(t: float, df: int) -> float:
    """P(T <= t) of Student's t with a whole number of degrees of freedom: Abramowitz and Stegun 26.7.3, 26.7.4."""
    theta = math.atan(abs(t) / math.sqrt(df))
    cos2 = math.cos(theta) ** 2
    odd = df % 2 == 1
    # Odd: 2/pi (theta + sin (cos + 2/3 cos^3 + 2*4/(3*5) cos^5 ...)); even: sin (1 + 1/2 cos^2 + 1*3/(2*4) cos^4 ...).
    term, total = (math.cos(theta) if odd else 1.0), 0.0
    for k in range(df // 2):
        if k:
            term *= cos2 * (2 * k / (2 * k + 1) if odd else (2 * k - 1) / (2 * k))
        total += term
    inside = 2.0 / math.pi * (theta + math.sin(theta) * total) if odd else math.sin(theta) * total
    return 0.5 + math.copysign(inside / 2.0, t)


def student_t_quantile(p: float, df: int) -> float:
    """The t with P(T <= t) = p, by bisection to the last bit; 0.5 <= p < 1."""
    if not 0.5 <= p < 1.0 or df < 1:
        raise ValueError(f"expected 0.5 <= p < 1 and df >= 1, found p = {p}, df = {df}")
    low, high = 0.0, 1.0
    while student_t_cdf(high, df) < p:
        high *= 2.0
    while (middle := (low + high) / 2.0) not in (low, high):
        low, high = (middle, high) if student_t_cdf(middle, df) < p else (low, middle)
    return high
