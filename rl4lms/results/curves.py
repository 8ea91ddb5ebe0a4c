"""Learning curves of a suite's RL runs as one long table: what the rollouts and the validation split said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from rl4lms.core.errors import DataError
from rl4lms.results.run_directory import RunDirectory
from rl4lms.results.suite import RunKey, SuiteSettings

REWARD_CURVE = "reward"
KL_CURVE = "kl"
MAIN_METRIC_CURVE = "main_metric"
COLUMNS = ["task", "method", "seed", "iteration", "metric", "value"]

# What the rollouts log: the mean score of the episodes, and the mean KL per token to the starting model.
_ROLLOUT_KEYS = {REWARD_CURVE: "rollout/ep_rew_mean", KL_CURVE: "rollout/kl_mean"}


def read_curves(runs: Mapping[RunKey, RunDirectory], settings: SuiteSettings) -> pd.DataFrame:
    """The curves of every RL run, columns COLUMNS; iteration k is what was seen before update k.

    Raises DataError naming the run for a missing file or key.
    """
    rows = [
        (task, method, seed, iteration, metric, value)
        for (task, method, seed), run in runs.items()
        if method in settings.rl_methods
        for metric, iteration, value in _points(run, settings.main_metrics[task])
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def seeds_mean(curves: pd.DataFrame) -> pd.Series[float]:
    """The seeds' mean at the iterations that all of them have, by iteration. curves: of one metric and method."""
    by_iteration = curves.groupby("iteration")["value"]
    return by_iteration.mean()[by_iteration.count() == curves["seed"].nunique()]


def _points(run: RunDirectory, main_metric: str) -> Iterator[tuple[str, int, float]]:
    """(metric, iteration, value)"""
    rollouts = _rows(run, "rollout_info.jsonl", "iteration")
    for metric, key in _ROLLOUT_KEYS.items():
        for number, row in enumerate(rollouts, 1):
            yield (
                metric,
                *_point(row, "iteration", row.get(key), key, f"{run.run / 'rollout_info.jsonl'}, line {number}"),
            )
    for number, row in enumerate(_rows(run, "val_split_metrics.jsonl", "epoch", "metrics"), 1):
        where, value = f"{run.run / 'val_split_metrics.jsonl'}, line {number}", row["metrics"].get(main_metric)
        yield MAIN_METRIC_CURVE, *_point(row, "epoch", value, main_metric, where)


def _rows(run: RunDirectory, name: str, *columns: str) -> list[dict[str, Any]]:
    path: Path = run.run / name
    if not path.is_file():
        raise DataError(
            f"{path}: no such file, so this run has not been trained; train it, or leave it out of the suite."
        )
    if not (rows := run.log(name, *columns)):
        raise DataError(f"{path}: empty, so this run left no curve; delete its directory and train it again.")
    return rows


def _point(row: Mapping[str, Any], at: str, value: Any, key: str, where: str) -> tuple[int, float]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"{where}: {key} is {value!r}; expected a finite number.")
    if not isinstance(row[at], int):
        raise DataError(f"{where}: {at} is {row[at]!r}; expected a whole number.")
    return row[at], float(value)
