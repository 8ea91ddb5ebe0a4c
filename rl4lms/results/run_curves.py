"""The numbers behind a plot of runs: which were logged, where each point lies, and seeds pooled into one curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from rl4lms.config.labels import metric_label
from rl4lms.core.errors import ConfigError, DataError, unknown
from rl4lms.results.curves import aligned, tokens_before
from rl4lms.results.run_directory import RunDirectory
from rl4lms.results.run_groups import RunGroup
from rl4lms.results.statistics import ALPHA, Floats, student_t_quantile
from rl4lms.results.suite import MIN_SEEDS

REWARD, KL, TOKENS = "rollout/ep_rew_mean", "rollout/kl_mean", "rollout/n_sampled_tokens"
SHORT_NAMES = {"reward": REWARD, "kl": KL}
_TITLES = {REWARD: "Reward", KL: "KL (nats per token)"}
_VALIDATION, _DIVERSITY, _FLUENCY = "val/", "diversity_metrics/", "fluency_metrics/"


@dataclass(frozen=True)
class PooledCurve:
    """One line of a plot, all (n,): where its points lie, the mean of the seeds, and the band around it.

    Of one seed the band is the line.
    """

    x: Floats
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class LoggedGroup:
    """A group of runs with what each of them logged."""

    group: RunGroup
    tables: Mapping[int, pd.DataFrame]

    @classmethod
    def read(cls, group: RunGroup) -> LoggedGroup:
        """Raises DataError for a run that logged nothing yet."""
        tables = {seed: run.curves for seed, run in group.runs.items()}
        for seed, table in tables.items():
            if table.empty:
                raise DataError(f"{group.runs[seed].run}: nothing was logged there; expected the logs of a training.")
        return cls(group, tables)

    @cached_property
    def columns(self) -> list[str]:
        """What every seed logged."""
        first, *others = self.tables.values()
        return [name for name in first.columns if all(name in other for other in others)]

    def pooled(self, column: str, by: str, band: str) -> PooledCurve | None:
        """The curve of a column over all seeds; None where it is not there, or no point is one of all seeds.

        by: iterations, at which all seeds must have a value, or tokens, where values between two iterations lie on the
        line between them; band: "range" or "t".
        """
        if column not in self.columns:
            return None
        curves = {seed: self._placed(seed, column, by) for seed in self.tables}
        if any(curve.empty for curve in curves.values()):
            return None
        table = aligned(curves, interpolate=by == "tokens")
        if table.empty:
            return None
        values = table.to_numpy(np.float64)
        return PooledCurve(table.index.to_numpy(np.float64), values.mean(axis=1), *_band(values, band))

    def _placed(self, seed: int, column: str, by: str) -> pd.Series[float]:
        """A column of one run by iteration or tokens, without the iterations that have none of it."""
        values = self.tables[seed][column].dropna().sort_index()
        if by == "iterations":
            return values
        places = self._tokens[seed]
        values = values[values.index.isin(list(places))]
        return pd.Series(values.to_numpy(np.float64), [places[k] for k in values.index], dtype=float)

    @cached_property
    def _tokens(self) -> dict[int, dict[int, int]]:
        """Seed -> iteration -> tokens sampled before it. Raises DataError for a run that did not log them."""
        found = {}
        for seed, table in self.tables.items():
            logged = table[TOKENS].dropna() if TOKENS in table else pd.Series(dtype=float)
            if logged.empty:
                raise DataError(
                    f"{self.group.runs[seed].run}: no {TOKENS} was logged (a supervised run, or one of an earlier "
                    "version); leave it out, or plot by iterations."
                )
            rows = zip(logged.index.tolist(), logged.tolist(), strict=True)
            found[seed] = tokens_before({"iteration": k, TOKENS: int(n)} for k, n in rows)
        return found


def _band(values: Floats, kind: str) -> tuple[Floats, Floats]:
    """(points, seeds) -> its lower and upper edge, (points,) each."""
    n = values.shape[1]
    if kind == "range" or n == 1:
        return values.min(axis=1), values.max(axis=1)
    mean = values.mean(axis=1)
    half = student_t_quantile(1.0 - ALPHA / 2.0, n - 1) * values.std(axis=1, ddof=1) / math.sqrt(n)
    return mean - half, mean + half


def band_of(groups: Sequence[RunGroup]) -> str:
    """The one kind of band of a figure: "t" where all groups of several seeds have enough of them, else "range"."""
    numbers = [len(group.runs) for group in groups if len(group.runs) > 1]
    return "t" if numbers and min(numbers) >= MIN_SEEDS else "range"


def named_columns(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Columns by their own names, by "reward" and "kl", and by the name of a metric of the validation split.

    Raises ConfigError for a name that none of the runs logged, with those there are.
    """
    found = []
    for name in names:
        candidates = (SHORT_NAMES.get(name, name), f"{_VALIDATION}{name}")
        column = next((each for each in candidates if each in known), None)
        if column is None:
            raise ConfigError(unknown("metric", name, known, "--metric"))
        found.append(column)
    return found


def usual_columns(known: Sequence[str], runs: Sequence[RunDirectory], most: int) -> list[str]:
    """Reward, KL, and `most` metrics of the validation split: of those with a label what is like the reward first.

    Fluency last, and the forty numbers of diversity only if there is nothing else.
    """
    rewards = {str((run.config.get("reward_fn") or {}).get("id")) for run in runs}
    metrics = [name.removeprefix(_VALIDATION) for name in known if name.startswith(_VALIDATION)]
    metrics = [name for name in metrics if not name.startswith(_DIVERSITY)] or metrics
    labelled = [name for name in metrics if metric_label(name) != name] or metrics
    order = sorted(labelled, key=lambda name: (not any(each in name for each in rewards), name.startswith(_FLUENCY)))
    shown = [f"{_VALIDATION}{name}" for name in order[:most]]
    return [*(name for name in (REWARD, KL) if name in known), *shown]


def column_title(column: str) -> str:
    """Reward, METEOR (validation), train/loss: what stands above a panel."""
    if not column.startswith(_VALIDATION):
        return _TITLES.get(column, column)
    metric = column.removeprefix(_VALIDATION)
    label = metric_label(metric)
    return column if label == metric else f"{label} (validation)"
