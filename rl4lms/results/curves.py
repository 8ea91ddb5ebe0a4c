"""Learning curves of RL runs: what the rollouts and the validation split said at every iteration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl4lms.core.errors import DataError
from rl4lms.core.io import read_jsonl
from rl4lms.results.suite import SuiteSettings

REWARD_CURVE = "reward"
KL_CURVE = "kl"
MAIN_METRIC_CURVE = "main_metric"
COLUMNS = ("task", "method", "seed", "iteration", "metric", "value")

# What the rollouts log: the mean score of the episodes, and the mean KL per token to the starting model.
_ROLLOUT_KEYS = {REWARD_CURVE: "rollout/ep_rew_mean", KL_CURVE: "rollout/kl_mean"}


@dataclass(frozen=True)
class Curve:
    """points: (iteration, value); iteration k is what was seen before update k, so 0 is the starting point."""

    task: str
    method: str
    seed: int
    metric: str
    points: tuple[tuple[int, float], ...]

    @property
    def iterations(self) -> list[int]:
        return [iteration for iteration, _ in self.points]

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.points]


def read_curves(runs_dir: Path, settings: SuiteSettings) -> list[Curve]:
    """Curves of every RL run of the suite. Raises DataError naming the run for a missing file or key."""
    curves: list[Curve] = []
    for task in settings.tasks:
        for method in settings.rl_methods:
            for seed in settings.seeds:
                directory = runs_dir / task / method / f"seed{seed}"
                rollouts = _rows(directory / "rollout_info.jsonl", "iteration")
                for name, key in _ROLLOUT_KEYS.items():
                    points = _points(rollouts, "iteration", key, directory / "rollout_info.jsonl")
                    curves.append(Curve(task, method, seed, name, points))
                path = directory / "val_split_metrics.jsonl"
                epochs = [{"epoch": row["epoch"], **row["metrics"]} for row in _rows(path, "epoch", "metrics")]
                points = _points(epochs, "epoch", settings.main_metrics[task], path)
                curves.append(Curve(task, method, seed, MAIN_METRIC_CURVE, points))
    return curves


def _rows(path: Path, *columns: str) -> list[dict[str, Any]]:
    if not path.is_file():
        raise DataError(
            f"{path}: no such file, so this run has not been trained; train it, or leave it out of the suite."
        )
    rows = read_jsonl(path, columns)
    if not rows:
        raise DataError(f"{path}: empty, so this run left no curve; delete its directory and train it again.")
    return rows


def _points(rows: list[dict[str, Any]], at: str, key: str, path: Path) -> tuple[tuple[int, float], ...]:
    points = []
    for number, row in enumerate(rows, 1):
        value = row.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(f"{path}, line {number}: {key} is {value!r}; expected a finite number.")
        if not isinstance(row[at], int):
            raise DataError(f"{path}, line {number}: {at} is {row[at]!r}; expected a whole number.")
        points.append((row[at], float(value)))
    return tuple(points)


def curve_rows(curves: Iterable[Curve]) -> Iterator[Mapping[str, Any]]:
    """The long table of curves, columns COLUMNS."""
    for curve in curves:
        for iteration, value in curve.points:
            values = (curve.task, curve.method, curve.seed, iteration, curve.metric, value)
            yield dict(zip(COLUMNS, values, strict=True))
