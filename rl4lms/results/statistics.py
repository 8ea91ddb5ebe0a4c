"""Intervals of a mean over samples or over seeds, Student's t, and Holm's adjustment.

numpy only. Every function draws from the generator it is given (`core.seeding.numpy_generator`), so a number depends on
its keys and its data, never on which other number was computed before it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
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
    """A mean with the bounds around it. kind: "t", "bootstrap", "pivotal", "range" (lowest and
    highest run) or "point"."""

    mean: float
    low: float
    high: float
    n: int
    kind: str


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


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down adjustment (Scandinavian Journal of Statistics 6, 1979): the k-th smallest of n times n - k + 1.

    Never below one that is smaller, never above 1: as many tests as there are, 5 in 100 such tables hold a false one.
    """
    adjusted, largest = {}, 0.0
    for k, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, p * (len(p_values) - k)))
        adjusted[name] = largest
    return adjusted


def seeds_interval(values: ArrayLike, *, level: float) -> Interval:
    """Mean over runs with a Student-t interval where there are at least 5, else with the lowest and highest run."""
    scores = _scores(values, "interval over seeds")
    if 1 < scores.size < MIN_SEEDS:
        return Interval(float(scores.mean()), float(scores.min()), float(scores.max()), int(scores.size), "range")
    return t_interval(scores, level=level)


def t_interval(values: ArrayLike, *, level: float) -> Interval:
    """Mean of independent values and its Student-t interval. One value has no spread: kind "point"."""
    scores = _scores(values, "interval")
    mean, n = float(scores.mean()), int(scores.size)
    if n == 1:
        return Interval(mean, mean, mean, 1, "point")
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


@functools.cache
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
