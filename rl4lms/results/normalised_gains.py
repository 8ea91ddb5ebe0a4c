"""What methods gain over their warm start, seed by seed, in the same unit on every task, and what that says of them.

The gain of a run is its task's main metric minus that of the supervised run of the same task and seed, in the better
direction, over a constant of the task (`aggregate.gain_scale`). Everything here is computed from these gains.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rl4lms.config.compose import SUPERVISED
from rl4lms.core.errors import DataError
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.seed_statistics import (
    effect_size,
    improvement,
    interquartile_mean,
    median_of_tasks,
    profile,
    profile_bands,
    ranks,
    stratified_mean,
)
from rl4lms.results.sign_flips import detectable_factor, flip_interval, flip_p_values
from rl4lms.results.statistics import Floats, Interval, holm, seeds_interval
from rl4lms.results.suite import SuiteSettings

ALL_TASKS = "*"  # no name of a task
ESTIMATES = ("iqm", "mean", "median", "rank")  # over all tasks; of a single task only the mean
N_THRESHOLDS = 101

STATISTICS_COLUMNS = ["task", "method", "statistic", "value", "low", "high", "interval", "n"]
CONTRAST_COLUMNS = [
    "name", "method", "against", "question", "n_tasks", "n_seeds", "difference", "low", "high", "effect_size",
    "improvement", "detectable", "p", "p_holm",
]  # fmt: skip
PAIR_COLUMNS = ["task", "method", "against", "difference", "effect_size", "improvement"]
PROFILE_COLUMNS = ["method", "threshold", "share", "low", "high"]


def normalised_gains(frame: pd.DataFrame, settings: SuiteSettings) -> dict[str, Floats]:
    """Method -> (tasks, seeds) gains, from the long table of scores. Raises DataError naming a run that it lacks."""
    main = frame[frame["metric"] == frame["task"].map(settings.main_metrics)]
    values = dict(zip(zip(main["task"], main["method"], main["seed"], strict=True), main["value"], strict=True))
    if lacking := [run for run in settings.runs if run not in values]:
        task, method, seed = lacking[0]
        raise DataError(f"run {task}/{method}/seed{seed}: no value of {settings.main_metrics[task]}.")

    def of(method: str) -> Floats:
        rows = []
        for task in settings.tasks:
            run, start = ([values[task, m, seed] for seed in settings.seeds] for m in (method, SUPERVISED))
            rows.append(settings.gains(task, run, start))
        return np.stack(rows)

    return {method: of(method) for method in settings.methods}


@dataclass(frozen=True)
class SuiteStatistics:
    """What the gains say: frames as they are written to csv, columns as above.

    gains: method -> (tasks, seeds), of all methods; the frames but `contrasts` are of `settings.warm_methods`.
    """

    gains: Mapping[str, Floats]
    estimates: pd.DataFrame
    contrasts: pd.DataFrame
    pairs: pd.DataFrame
    profiles: pd.DataFrame

    @classmethod
    def of(cls, frame: pd.DataFrame, settings: SuiteSettings) -> SuiteStatistics:
        gains = normalised_gains(frame, settings)
        warm = {method: gains[method] for method in settings.warm_methods}
        return cls(
            gains,
            pd.DataFrame(_estimates(warm, settings), columns=STATISTICS_COLUMNS),
            contrast_frame(gains, settings),
            pd.DataFrame(_pairs(warm, settings), columns=PAIR_COLUMNS),
            pd.DataFrame(_profiles(warm, settings), columns=PROFILE_COLUMNS),
        )

    def intervals(self, statistic: str, task: str = ALL_TASKS) -> dict[str, Interval]:
        """Method -> one of ESTIMATES."""
        rows = self.estimates[(self.estimates["task"] == task) & (self.estimates["statistic"] == statistic)]
        return {
            row["method"]: Interval(row["value"], row["low"], row["high"], row["n"], row["interval"])
            for row in rows.to_dict("records")
        }


def _estimates(gains: Mapping[str, Floats], settings: SuiteSettings) -> Iterable[tuple[Any, ...]]:
    level, ranked = settings.level, ranks(gains)
    for method, scores in gains.items():
        rng = numpy_generator(settings.bootstrap_seed, "median", method)
        found = {
            "iqm": interquartile_mean(scores, level=level),
            "mean": stratified_mean(scores, level=level),
            "median": median_of_tasks(scores, level=level, n_resamples=settings.n_resamples, rng=rng),
            "rank": stratified_mean(ranked[method], level=level),
        }
        for statistic in ESTIMATES:
            yield (ALL_TASKS, method, statistic, *_numbers(found[statistic]))
    for i, task in enumerate(settings.tasks):
        for method, scores in gains.items():
            yield (task, method, "mean", *_numbers(seeds_interval(scores[i], level=level)))


def _numbers(interval: Interval) -> tuple[Any, ...]:
    return interval.mean, interval.low, interval.high, interval.kind, interval.n


def contrast_frame(gains: Mapping[str, Floats], settings: SuiteSettings) -> pd.DataFrame:
    """The primary family. p and p_holm are missing where there are too few seeds to speak of methods.

    detectable: the difference that the test would find, at the first step of Holm's method, with POWER, if differences
    scatter as they do here. Infinite where it finds none, as the bounds of an interval without any.
    """
    family, n = settings.contrasts, len(settings.tasks) * len(settings.seeds)
    if not family:
        return pd.DataFrame(columns=CONTRAST_COLUMNS)
    first_step = (1.0 - settings.level) / len(family)
    factor = detectable_factor(n, first_step, settings.n_resamples, settings.bootstrap_seed)
    p_values = contrast_p_values(gains, settings) if settings.tells_methods_apart else {}
    adjusted = holm(p_values)
    counts = {"n_tasks": len(settings.tasks), "n_seeds": len(settings.seeds)}
    rows = []
    for each in family:
        ours, theirs = gains[each.method], gains[each.against]
        differences = (ours - theirs).ravel()
        low, high = flip_interval(
            differences, level=settings.level, n_flips=settings.n_resamples, rng=_contrast_generator(settings)
        )
        row = {**vars(each), **counts, "difference": float(differences.mean()), "low": low, "high": high}
        row |= {"effect_size": effect_size(ours, theirs), "improvement": float(improvement(ours, theirs).mean())}
        row["detectable"] = factor * float(differences.std(ddof=1)) if n > 1 else np.inf
        rows.append({**row, "p": p_values.get(each.name), "p_holm": adjusted.get(each.name)})
    return pd.DataFrame(rows, columns=CONTRAST_COLUMNS)


def contrast_p_values(gains: Mapping[str, Floats], settings: SuiteSettings) -> dict[str, float]:
    """Contrast -> p of "no difference", from the differences of the same seed, flipped within task and pooled.

    Where tasks differ in which method is better but are level on average, the test rejects too seldom, never too often.
    """
    differences = np.stack([(gains[each.method] - gains[each.against]).ravel() for each in settings.contrasts])
    p_values = flip_p_values(differences, settings.n_resamples, _contrast_generator(settings))
    return {each.name: float(p) for each, p in zip(settings.contrasts, p_values, strict=True)}


def _contrast_generator(settings: SuiteSettings) -> np.random.Generator:
    """The test and the interval that inverts it draw the same patterns of signs."""
    return numpy_generator(settings.bootstrap_seed, "contrasts")


def _pairs(gains: Mapping[str, Floats], settings: SuiteSettings) -> Iterable[tuple[Any, ...]]:
    """Every pair of methods on each task and over all of them, without p-values: they describe."""
    for method, against in itertools.combinations(gains, 2):
        ours, theirs = gains[method], gains[against]
        chances = improvement(ours, theirs)
        for i, task in enumerate(settings.tasks):
            own, other = ours[i : i + 1], theirs[i : i + 1]
            yield task, method, against, float((own - other).mean()), effect_size(own, other), float(chances[i])
        mean = float((ours - theirs).mean())
        yield ALL_TASKS, method, against, mean, effect_size(ours, theirs), float(chances.mean())


def _profiles(gains: Mapping[str, Floats], settings: SuiteSettings) -> Iterable[tuple[Any, ...]]:
    """The share of runs above each threshold, with bands where there are seeds enough to resample."""
    scores = np.stack(list(gains.values()))
    low, high = (np.floor(scores.min() * 10) / 10, np.ceil(scores.max() * 10) / 10)
    thresholds = np.linspace(low, max(high, low + 0.1), N_THRESHOLDS)
    n_seeds = len(settings.seeds)
    rng = numpy_generator(settings.bootstrap_seed, "profiles")
    draws = rng.integers(0, n_seeds, size=(settings.n_resamples, len(settings.tasks), n_seeds))
    for method, own in gains.items():
        bands = (np.full(N_THRESHOLDS, np.nan),) * 2
        if settings.tells_methods_apart:
            bands = profile_bands(own, thresholds, draws, settings.level)
        for row in zip(thresholds, profile(own, thresholds), *bands, strict=True):
            yield (method, *map(float, row))
