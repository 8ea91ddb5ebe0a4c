"""Tests of paired differences by flipping their signs: p-values, intervals, and the difference that they can find.

Under "no difference" each paired difference is as likely to have the other sign (Fisher 1935, The Design of
Experiments, 21; Noreen 1989 for scores of systems). So the p-value holds for any number of pairs: of n pairs it is at
least 2^-(n-1), where a bootstrap of two pairs claims p < 0.001.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rl4lms.core.errors import DataError
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.statistics import Floats, t_interval

EXACT = 14  # pairs up to which every one of the 2^n patterns is taken; beyond, patterns are drawn
POWER = 0.8  # with which a difference is called detectable
_BLOCK = 1 << 19  # numbers held at a time: 4 MB, whatever the number of pairs
_N_SIMULATED = 1000


@dataclass(frozen=True)
class PairedTest:
    """Difference of two systems on the same samples, a - b, its t interval, and the two-sided p of "no difference"."""

    difference: float
    low: float
    high: float
    p: float
    n: int


def paired_tests(
    differences: Sequence[Floats], *, level: float, n_flips: int, rng: np.random.Generator
) -> list[PairedTest]:
    """One test for each of k lists of n differences; they share the patterns of signs, and with them the work."""
    table = np.asarray(differences, dtype=np.float64)
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise DataError(f"paired test: expected lists of as many finite numbers, found shape {table.shape}.")
    tests = []
    for row, p in zip(table, flip_p_values(table, n_flips, rng), strict=True):
        interval = t_interval(row, level=level)
        tests.append(PairedTest(interval.mean, interval.low, interval.high, float(p), int(row.size)))
    return tests


def flip_p_values(differences: Floats, n_flips: int, rng: np.random.Generator) -> Floats:
    """(k, n) -> (k,): two-sided p of the hypothesis that each row is symmetric around 0.

    Twice the share of patterns of signs under which the sum is at least as far out as the observed one, on its side;
    the observed pattern is one of them, drawn or not, so that no p is too small (Phipson and Smyth 2010).
    """
    total = differences.sum(axis=1)
    towards = np.where(total < 0, -1.0, 1.0)[:, None] * differences
    # Ties count as "as far out"; the tolerance keeps them ties under rounding, which differs between CPUs.
    bound = np.abs(total) - 1e-9 * np.abs(differences).sum(axis=1)
    found, n_patterns = np.zeros(len(differences), dtype=np.int64), 0
    for signs in _patterns(differences.shape[1], n_flips, rng):
        found += (signs @ towards.T >= bound).sum(axis=0)
        n_patterns += len(signs)
    drawn = differences.shape[1] > EXACT
    p: Floats = np.minimum(1.0, 2.0 * (found + drawn) / (n_patterns + drawn))
    return p


def flip_interval(differences: Floats, *, level: float, n_flips: int, rng: np.random.Generator) -> tuple[float, float]:
    """(n,) -> the shifts of the differences that the test above does not reject at 1 - level; infinite if it never can.

    Flipping the signs of a subset leaves the sum as far out exactly if the subset's mean is at most the shift, so the
    bounds are order statistics of the subsets' means (Hartigan 1969, "typical values").
    """
    flipped = np.concatenate([signs < 0 for signs in _patterns(differences.size, n_flips, rng)])
    rank, flipped = _rank(flipped, differences.size, 1.0 - level)
    if rank < 1:
        return -math.inf, math.inf
    means = (flipped @ differences) / flipped.sum(axis=1)
    low, high = (np.argpartition(side, rank - 1)[rank - 1] for side in (means, -means))
    # Summed again, correctly rounded: a matrix product has other last digits on another CPU.
    bounds = [math.fsum(differences[flipped[i]]) / int(flipped[i].sum()) for i in (low, high)]
    return bounds[0], bounds[1]


@lru_cache(maxsize=64)
def detectable_factor(n: int, alpha: float, n_flips: int, seed: int) -> float:
    """The difference, in sample deviations of n paired differences, that as many new ones show at `alpha` with POWER.

    A normal sample shifted by x is found exactly if x exceeds minus the lower bound of its interval at 1 - alpha, so
    this is a quantile of those bounds, each over the deviation of another sample: what is known of the scatter is an
    estimate. Infinite where no p of n pairs is as small as alpha.
    """
    rng = numpy_generator(seed, "detectable", n)
    flipped = np.concatenate([signs < 0 for signs in _patterns(n, n_flips, rng)])
    rank, flipped = _rank(flipped, n, alpha)
    if rank < 1:
        return math.inf
    samples = rng.standard_normal((n, _N_SIMULATED))
    shares = flipped / flipped.sum(axis=1, keepdims=True)
    blocks = np.array_split(samples, math.ceil(len(flipped) * _N_SIMULATED / _BLOCK), axis=1)
    low = np.concatenate([np.partition(shares @ block, rank - 1, axis=0)[rank - 1] for block in blocks])
    return round(float(np.quantile(-low / np.roll(samples.std(axis=0, ddof=1), 1), POWER)), 6)


def _rank(flipped: np.ndarray, n: int, alpha: float) -> tuple[int, np.ndarray]:
    """Which of the subsets' means, from below, is the bound whose one-sided p exceeds alpha / 2; and the subsets.

    The empty subset, which is the observed pattern, is always as far out: it counts, and has no mean.
    """
    drawn = n > EXACT
    is_some = flipped.any(axis=1)
    n_empty = int((~is_some).sum()) + drawn
    return math.floor(alpha / 2.0 * (len(flipped) + drawn) * (1 + 1e-12)) + 1 - n_empty, flipped[is_some]


def _patterns(n: int, n_flips: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Blocks of (b, n) signs: all 2^n patterns of few pairs, else `n_flips` drawn ones."""
    if n <= EXACT:
        yield _as_signs((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return
    rows = max(1, _BLOCK // n)
    for start in range(0, n_flips, rows):
        shape = (min(rows, n_flips - start), n)
        yield _as_signs(rng.integers(0, 2, size=shape, dtype=np.int8))


def _as_signs(flipped: np.ndarray) -> Floats:
    return 1.0 - 2.0 * flipped.astype(np.float64)
