"""Statistics whose unit is the seed: estimates over tasks and seeds, their intervals, and what compares two methods.

Scores of a method are (tasks, seeds): the tasks are fixed, the seeds of each are drawn independently. So intervals are
stratified by task and speak of these tasks. The point estimates are rliable's (Agarwal et al. 2021, arXiv:2108.13264);
its percentile bootstrap is not used for intervals: of five seeds it misses the mean 15 times in 100 where it says 5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from rl4lms.results.statistics import Floats, Interval, percentile_bounds, student_t_quantile

TRIMMED = 0.25  # share of the scores that the interquartile mean leaves out at either end


def stratified_mean(scores: Floats, *, level: float) -> Interval:
    """Mean over tasks and seeds; t interval of the variance within tasks, which may differ between them."""
    n_tasks, n_seeds = scores.shape
    half = _half_width(scores, level, np.full(n_tasks, n_seeds - 1), scores.size)
    return _interval(float(scores.mean()), half, scores)


def interquartile_mean(scores: Floats, *, level: float) -> Interval:
    """Mean of the middle half of all scores, as scipy.stats.trim_mean; t interval of the winsorised variance.

    For one task it is Tukey and McLaughlin's (Sankhya 25, 1963) with h - 1 degrees of freedom, h scores being left.
    """
    ordered = np.sort(scores, axis=None)
    cut = int(TRIMMED * scores.size)
    left = ordered[cut : scores.size - cut]
    winsorised = scores.clip(left[0], left[-1])
    within = ((scores >= left[0]) & (scores <= left[-1])).sum(axis=1)
    half = _half_width(winsorised, level, np.maximum(within - 1, 1), left.size)
    if left.size > 1:
        half *= math.sqrt(left.size / (left.size - 1) * (scores.size - 1) / scores.size)
    return _interval(float(left.mean()), half, scores)


def median_of_tasks(scores: Floats, *, level: float, n_resamples: int, rng: np.random.Generator) -> Interval:
    """Median of the tasks' means, as rliable's; generalised pivotal interval (Weerahandi, JASA 88, 1993).

    Each task's true mean is drawn from what its t interval says of it, and the median of those has the interval.
    """
    means, n_seeds = scores.mean(axis=1), scores.shape[1]
    median = float(np.median(means))
    if n_seeds == 1:
        return _interval(median, 0.0, scores)
    errors = scores.std(axis=1, ddof=1) / math.sqrt(n_seeds)
    drawn = np.median(means + rng.standard_t(n_seeds - 1, size=(n_resamples, len(means))) * errors, axis=1)
    return Interval(median, *percentile_bounds(drawn, level), scores.size, "pivotal")


def _half_width(scores: Floats, level: float, df: np.ndarray, n_left: int) -> float:
    """Half of a t interval of sum(scores) / n_left, of the variances within tasks.

    Degrees of freedom by Welch (Biometrika 34, 1947) in the form whose ratio is unbiased, rounded down.
    """
    n_tasks, n_seeds = scores.shape
    if n_seeds == 1:
        return 0.0
    parts = scores.var(axis=1, ddof=1) * n_seeds / n_left**2
    total = float(parts.sum())
    if total == 0.0:
        return 0.0
    welch = total**2 / float((parts**2 / (df + 2)).sum()) - 2.0
    whole = min(max(math.floor(welch + 1e-9), 1), n_tasks * (n_seeds - 1))
    return student_t_quantile((1.0 + level) / 2.0, whole) * math.sqrt(total)


def _interval(value: float, half: float, scores: Floats) -> Interval:
    return Interval(value, value - half, value + half, scores.size, "t" if scores.shape[1] > 1 else "point")


def improvement(scores: Floats, others: Floats) -> Floats:
    """(tasks, seeds) twice -> (tasks,): the chance that a run of the first scores more; a tie is half of one.

    The Mann-Whitney statistic over the number of pairs of runs; rliable's probability of improvement is its mean.
    """
    gaps = scores[:, :, None] - others[:, None, :]
    chances: Floats = ((gaps > 0) + 0.5 * (gaps == 0)).mean(axis=(1, 2))
    return chances


def effect_size(scores: Floats, others: Floats) -> float:
    """Hedges' g: the difference of the means over the standard deviation of seeds within tasks, of both methods.

    With the correction for few seeds, 1 - 3 / (4 df - 1) (Journal of Educational Statistics 6, 1981); not a number
    where no two seeds differ.
    """
    df = 2 * scores.shape[0] * (scores.shape[1] - 1)
    if df == 0:
        return math.nan
    squares = sum(float(((x - x.mean(axis=1, keepdims=True)) ** 2).sum()) for x in (scores, others))
    if squares == 0.0:
        return math.nan
    size: float = float((scores - others).mean()) / math.sqrt(squares / df) * (1.0 - 3.0 / (4.0 * df - 1.0))
    return size


def ranks(by_method: Mapping[str, Floats]) -> dict[str, Floats]:
    """Method -> its rank among all on every task and seed, 1 the highest score; equal scores share the mean rank."""
    scores = np.stack(list(by_method.values()))
    above = (scores[None] > scores[:, None]).sum(axis=1)
    equal = (scores[None] == scores[:, None]).sum(axis=1)
    return dict(zip(by_method, above + (equal + 1) / 2.0, strict=True))


def profile(scores: Floats, thresholds: Floats) -> Floats:
    """Share of the runs whose score is above each threshold (the score distribution of rliable)."""
    shares: Floats = (scores.reshape(-1, 1) > thresholds).mean(axis=0)
    return shares


def profile_bands(scores: Floats, thresholds: Floats, draws: np.ndarray, level: float) -> tuple[Floats, Floats]:
    """Pointwise percentile bounds of the profile, as rliable's. draws: (resamples, tasks, seeds) indices of seeds."""
    first = np.arange(0, draws.size, scores.shape[1]).reshape(*draws.shape[:2], 1)  # of every resample and task
    counts = np.bincount((draws + first).ravel(), minlength=draws.size).reshape(len(draws), -1)
    above = (scores.reshape(-1, 1) > thresholds).astype(np.float64)
    shares = counts.astype(np.float64) @ above / scores.size  # sums of whole numbers: exact in any order
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(shares, [tail, 1.0 - tail], axis=0)
    return low, high


def not_worse(by_method: Mapping[str, Floats], *, higher_is_better: bool, level: float) -> frozenset[str]:
    """The methods that cannot be told from the best: the truly best one is among them with the confidence `level`.

    by_method: (tasks, seeds), the same seeds for all. A method is out if it is worse than the best mean by a one-sided
    paired t test over seeds, stratified by task, at (1 - level) over the number of other methods (Gupta's subset
    selection with Bonferroni's bound, Technometrics 7, 1965).
    """
    if len(by_method) < 2:
        return frozenset(by_method)
    sign = 1.0 if higher_is_better else -1.0
    best = max(by_method, key=lambda method: sign * float(by_method[method].mean()))
    two_sided = 1.0 - 2.0 * (1.0 - level) / (len(by_method) - 1)
    behind = {method: stratified_mean(sign * (by_method[best] - s), level=two_sided) for method, s in by_method.items()}
    return frozenset(method for method, gap in behind.items() if gap.low <= 0.0)
