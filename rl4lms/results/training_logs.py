"""What the RL runs of a suite logged while they trained, each log read once: learning curves, and facts of each run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rl4lms.core.errors import DataError
from rl4lms.results.curves import COLUMNS, KL_CURVE, MAIN_METRIC_CURVE, REWARD_CURVE, TOKENS_COLUMN, tokens_before
from rl4lms.results.run_directory import RunDirectory
from rl4lms.results.suite import RunKey, SuiteSettings

# Of training.csv: of each run, sums and means over its iterations; NaN where the algorithm logs no such thing.
FACT_COLUMNS = [
    "task", "method", "seed", "sampled_tokens", "iterations", "optimiser_steps", "clip_fraction", "alike_groups",
    "first_length", "last_length", "length_std", "first_reward", "last_reward", "last_kl",
]  # fmt: skip
ROLLOUT_LOG, UPDATE_LOG, VALIDATION_LOG = "rollout_info.jsonl", "training_info.jsonl", "val_split_metrics.jsonl"

# What the rollouts log: the mean score of the episodes, and the mean KL per token to the starting model.
_ROLLOUT_KEYS = {REWARD_CURVE: "rollout/ep_rew_mean", KL_CURVE: "rollout/kl_mean"}


@dataclass(frozen=True)
class TrainingLogs:
    """curves: a row for each point, columns curves.COLUMNS; facts: a row for each run, columns FACT_COLUMNS."""

    curves: pd.DataFrame
    facts: pd.DataFrame

    @classmethod
    def read(cls, runs: Mapping[RunKey, RunDirectory], settings: SuiteSettings) -> TrainingLogs:
        """Those of every RL run. Raises DataError naming the run for a missing file or key."""
        points: list[tuple[Any, ...]] = []
        facts: list[dict[str, Any]] = []
        for key, run in runs.items():
            if key[1] in settings.rl_methods:
                rollouts = _rows(run, ROLLOUT_LOG, "iteration")
                points += _points(key, run, rollouts, settings.main_metrics[key[0]])
                facts.append(dict(zip(FACT_COLUMNS, key, strict=False)) | _facts(run, rollouts))
        return cls(_as_curves(points), pd.DataFrame(facts, columns=FACT_COLUMNS))


def read_curves(runs: Mapping[RunKey, RunDirectory], settings: SuiteSettings) -> pd.DataFrame:
    """The curves of every RL run without the facts, for which no training_info.jsonl is read. Raises as `read`."""
    points = [
        point
        for key, run in runs.items()
        if key[1] in settings.rl_methods
        for point in _points(key, run, _rows(run, ROLLOUT_LOG, "iteration"), settings.main_metrics[key[0]])
    ]
    return _as_curves(points)


def _as_curves(points: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    return pd.DataFrame(points, columns=COLUMNS).astype({TOKENS_COLUMN: "Int64"})


def _points(
    key: RunKey, run: RunDirectory, rollouts: Sequence[Mapping[str, Any]], main_metric: str
) -> Iterator[tuple[Any, ...]]:
    """Rows of COLUMNS; iteration k is what was seen before update k."""
    tokens = tokens_before(rollouts)
    for metric, iteration, value in _values(run, rollouts, main_metric):
        yield *key, iteration, tokens.get(iteration), metric, value


def _values(
    run: RunDirectory, rollouts: Sequence[Mapping[str, Any]], main_metric: str
) -> Iterator[tuple[str, int, float]]:
    """(metric, iteration, value)"""
    for metric, key in _ROLLOUT_KEYS.items():
        for number, row in enumerate(rollouts, 1):
            where = f"{run.run / ROLLOUT_LOG}, line {number}"
            yield metric, *_point(row, "iteration", row.get(key), key, where)
    for number, row in enumerate(_rows(run, VALIDATION_LOG, "epoch", "metrics"), 1):
        where, value = f"{run.run / VALIDATION_LOG}, line {number}", row["metrics"].get(main_metric)
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


def _facts(run: RunDirectory, rollouts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    updates = _rows(run, UPDATE_LOG, "iteration")
    length, reward = _column(rollouts, "rollout/ep_len_mean"), _column(rollouts, "rollout/ep_rew_mean")
    steps, clipped = _column(updates, "train/n_minibatches"), _column(updates, "train/clip_fraction")
    return {
        "sampled_tokens": _column(rollouts, "rollout/n_sampled_tokens").sum(),
        "iterations": len(rollouts),
        "optimiser_steps": steps.sum(),
        "clip_fraction": (clipped * steps).sum() / steps.sum(),
        "alike_groups": _column(rollouts, "rollout/groups_without_spread").mean(),
        "first_length": length[0],
        "last_length": length[-1],
        "length_std": _column(rollouts, "rollout/ep_len_std").mean(),
        "first_reward": reward[0],
        "last_reward": reward[-1],
        "last_kl": _column(rollouts, "rollout/kl_mean")[-1],
    }


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    """A number of each row, NaN where it was not logged."""
    return np.array([row.get(name, np.nan) for row in rows], dtype=np.float64)
