"""The numbers behind a plot of runs: which were logged, where each point lies, and seeds pooled into one curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from rl4lms.config.labels import metric_label
from rl4lms.config.params import Params
from rl4lms.core.errors import ConfigError, DataError, unknown
from rl4lms.results.curves import aligned, tokens_before
from rl4lms.results.run_directory import SPLITS, RunDirectory
from rl4lms.results.run_groups import RunGroup
from rl4lms.results.statistics import ALPHA, Floats, student_t_quantile
from rl4lms.results.suite import MIN_SEEDS, RAW, MetricScale, metric_scales

REWARD, KL, TOKENS = "rollout/ep_rew_mean", "rollout/kl_mean", "rollout/n_sampled_tokens"
SHORT_NAMES = {"reward": REWARD, "kl": KL}
_PACKAGE = Path(__file__).resolve().parents[1]  # whose wheel holds the grid in _grid/, and whose checkout beside it
_TITLES = {REWARD: "Reward", KL: "KL (nats per token)"}
_VALIDATION, _DIVERSITY, _FLUENCY = "val/", "diversity_metrics/", "fluency_metrics/"


@dataclass(frozen=True)
class PooledCurve:
    """One line of a plot, all (n,): where its points lie, the mean of the seeds, and the band around it.

    Of one seed the band is the line. Of a metric whose scale is one of logarithms, such as perplexity, the mean is the
    geometric one and a t interval is the logarithms' own, so that it ends above 0.
    """

    x: Floats
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class LoggedGroup:
    """A group of runs with what each of them logged, and the scales of metrics."""

    group: RunGroup
    tables: Mapping[int, pd.DataFrame]
    scales: Mapping[str, MetricScale]

    @classmethod
    def read(cls, group: RunGroup) -> LoggedGroup:
        """Raises DataError for a run that logged nothing yet."""
        tables = {seed: run.curves for seed, run in group.runs.items()}
        for seed, table in tables.items():
            if table.empty:
                raise DataError(f"{group.runs[seed].run}: nothing was logged there; expected the logs of a training.")
        return cls(group, tables, scales_of(group.suite))

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
        x, values = table.index.to_numpy(np.float64), table.to_numpy(np.float64)
        return PooledCurve(x, *_mean_and_band(values, band, self._scale(column)))

    def has_geometric_mean(self, column: str) -> bool:
        return len(self.tables) > 1 and self._scale(column).log

    def _scale(self, column: str) -> MetricScale:
        split, _, metric = column.partition("/")
        return self.scales.get(metric, RAW) if split in SPLITS else RAW

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


def _mean_and_band(values: Floats, kind: str, scale: MetricScale) -> tuple[Floats, Floats, Floats]:
    """(points, seeds) -> the mean, and the lower and upper edge, (points,) each."""
    n, low, high = values.shape[1], values.min(axis=1), values.max(axis=1)
    if n == 1:
        return low, low, high
    transformed = scale.transformed(values)
    mean = transformed.mean(axis=1)
    if kind == "t":
        half = student_t_quantile(1.0 - ALPHA / 2.0, n - 1) * transformed.std(axis=1, ddof=1) / math.sqrt(n)
        low, high = scale.restored(mean - half), scale.restored(mean + half)
    return scale.restored(mean), low, high


def scales_of(suite: str) -> dict[str, MetricScale]:
    """Result key -> scale: of this suite, if params/ has it, else of the one that params/ names first.

    params/: of the working directory; of the library's own grid where there is none.
    """
    places = (Path("params"), _PACKAGE / "_grid" / "params", _PACKAGE.parent / "params")
    directory = next((place for place in places if (place / "grue.yaml").is_file()), places[0])
    is_there = suite and (directory / "suites" / suite).is_dir()
    return metric_scales(Params.open(directory, suite if is_there else None))


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
