"""All scores of a suite: its runs, checked against each other, and one long table of them."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rl4lms.core.errors import DataError
from rl4lms.core.io import read_json
from rl4lms.core.result_keys import N_SAMPLES, REWARD, SPLIT
from rl4lms.results.consistency import check_identity, check_means, check_values, equal, shown_means
from rl4lms.results.run_directory import RunDirectory, score_columns
from rl4lms.results.statistics import Interval, seeds_interval
from rl4lms.results.suite import RunKey, SuiteSettings
from rl4lms.results.training_logs import TrainingLogs

COLUMNS = ["task", "method", "seed", "split", "metric", "value", "n", "higher_is_better"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoredRun:
    """What the evaluation said of a run.

    metrics: result key -> corpus value, without `n`; sample_ids: of the test samples, in the split's order; columns:
    metric -> scores per sample, of the metrics that have them; labels: what must be said beside a metric; means: the
    metrics that are means of those scores, None where the evaluation did not say so. The texts are read where they are
    shown (`RunDirectory.predictions`): of thousands of runs they would take gigabytes.
    """

    name: str
    directory: RunDirectory
    metrics: Mapping[str, float]
    sample_ids: Sequence[str] = field(repr=False)
    columns: Mapping[str, Floats] = field(repr=False)
    labels: Mapping[str, str]
    means: Collection[str] | None

    @property
    def n(self) -> int:
        return len(self.sample_ids)

    @classmethod
    def read(cls, directory: RunDirectory, task: str, method: str, seed: int) -> ScoredRun:
        """Raises DataError naming the run for a missing or broken file, and for files that do not agree."""
        name, path = f"{task}/{method}/seed{seed}", directory.scores / "metrics.json"
        if not path.is_file():
            raise DataError(
                f"{path}: no such file, so run {name} is missing. Evaluate it (python -m rl4lms evaluate --task {task} "
                f"--method {method} ...), or leave it out of the suite."
            )
        metrics = read_json(path)
        if not isinstance(metrics, dict) or not isinstance(metrics.get(N_SAMPLES), int):
            raise DataError(f'{path}: expected an object of numbers with a whole number "{N_SAMPLES}".')
        for key, value in metrics.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise DataError(f"{path}: {key} is {value!r}; expected a finite number.")
        n = metrics.pop(N_SAMPLES)
        line, lines_path = directory.line(SPLIT), directory.scores / f"{SPLIT}_split_metrics.jsonl"
        if not line:
            raise DataError(f"{lines_path}: empty; evaluate {task}/{method} again.")
        rows, file = directory.predictions(SPLIT), directory.scores / f"{SPLIT}_predictions.json"
        if len(rows) != n:
            raise DataError(f"{file}: expected a list of {n} predictions, found {len(rows)}.")
        check_values(path, metrics, line["metrics"], lines_path)
        check_identity(lines_path, line, {"task": task, "method": method, "seed": seed})
        return cls(
            name,
            directory,
            {sys.intern(key): float(value) for key, value in metrics.items()},
            sample_ids=tuple(sys.intern(row["sample_id"]) for row in rows),
            columns=score_columns(rows, metrics, file),
            labels=dict(line.get("labels", {})),
            means=line.get("means"),
        )

    def with_columns(self, metrics: Collection[str]) -> ScoredRun:
        """The same run without the scores per sample of other metrics: of thousands of runs they take 50 MB."""
        return replace(self, columns={name: self.columns[name] for name in metrics if name in self.columns})

    def check_means(self, shown: set[str]) -> None:
        """shown: the means among the metrics, where the evaluation did not say which are means."""
        path = self.directory.scores / f"{SPLIT}_predictions.json"
        check_means(path, self.metrics, self.columns, shown if self.means is None else self.means)


@dataclass(frozen=True)
class SuiteScores:
    """Every run of a suite: all tasks, methods and seeds, none missing."""

    settings: SuiteSettings
    runs: Mapping[RunKey, ScoredRun]

    @classmethod
    def read(cls, scores_dir: Path, settings: SuiteSettings, runs_dir: Path | None = None) -> SuiteScores:
        """Read <task>/<method>/seed<k> of the whole suite. Raises DataError naming what is missing.

        Runs keep the scores per sample that are tested: of the main metric, and of the reward.

        scores_dir: of the evaluations; runs_dir: of the trained runs, if they lie elsewhere.
        """
        runs: dict[RunKey, ScoredRun] = {}
        for task in settings.tasks:
            of_task = {}
            for method, seed in itertools.product(settings.methods, settings.seeds):
                place = Path(task, method, f"seed{seed}")
                directory = RunDirectory((runs_dir or scores_dir) / place, scores_dir / place)
                run = of_task[task, method, seed] = ScoredRun.read(directory, task, method, seed)
                if (key := settings.main_metrics[task]) not in run.metrics:
                    raise DataError(f"run {run.name}: no value for the task's main metric {key}; evaluate it again.")
            shown = {REWARD}.union(*(shown_means(run.metrics, run.columns) for run in of_task.values()))
            for run in of_task.values():
                run.check_means(shown)
            runs |= {key: run.with_columns((settings.main_metrics[task], REWARD)) for key, run in of_task.items()}
        return cls(settings, runs)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The long table: one row per run and metric, columns COLUMNS."""
        direction = {True: "true", False: "false", None: ""}
        rows = [
            (*key, SPLIT, metric, value, run.n, direction[self.settings.higher_is_better(metric)])
            for key, run in self.runs.items()
            for metric, value in run.metrics.items()
        ]
        return pd.DataFrame(rows, columns=COLUMNS)

    @cached_property
    def trainings(self) -> TrainingLogs:
        """What every RL run logged: its curves and the facts of its training."""
        return TrainingLogs.read({key: run.directory for key, run in self.runs.items()}, self.settings)

    @property
    def curves(self) -> pd.DataFrame:
        """The learning curves of every RL run, columns `curves.COLUMNS`."""
        return self.trainings.curves

    def curves_of(self, task: str, metric: str) -> pd.DataFrame:
        return self.curves[(self.curves["task"] == task) & (self.curves["metric"] == metric)]

    @cached_property
    def _values(self) -> dict[tuple[Any, ...], list[float]]:
        """(task, method, metric) -> the corpus value of every seed."""
        groups = self.frame.groupby(["task", "method", "metric"], sort=False)["value"]
        return {tuple(key): list(values) for key, values in groups}

    def of(self, task: str, method: str) -> list[ScoredRun]:
        """Runs of all seeds, in the suite's order of seeds."""
        return [self.runs[task, method, seed] for seed in self.settings.seeds]

    def values(self, task: str, method: str, metric: str) -> list[float] | None:
        """The metric's corpus value of every seed; None where it is not measured for the task."""
        values = self._values.get((task, method, metric))
        if values is not None and len(values) < len(self.settings.seeds):
            raise DataError(f"runs {task}/{method}: {metric} is there for some seeds only; evaluate the method again.")
        return values

    def over_seeds(self, task: str, metric: str) -> dict[str, Interval | None]:
        """Method -> mean and spread of the metric over seeds; None where it is not measured."""
        by_method = {method: self.values(task, method, metric) for method in self.settings.methods}
        level = self.settings.level
        return {m: None if values is None else seeds_interval(values, level=level) for m, values in by_method.items()}

    def table(self, task: str, method: str, metric: str) -> Floats:
        """(seeds, samples) scores whose mean is the mean of the corpus values.

        One column where the corpus value is not the mean of scores per sample (BLEU, perplexity).
        """
        runs = self.of(task, method)
        corpus = np.array(self.values(task, method, metric), dtype=np.float64)
        rows = [run.columns[metric] for run in runs if metric in run.columns]
        if len(rows) == len(runs) and len({row.size for row in rows}) == 1:
            samples = np.stack(rows)
            if all(map(equal, samples.mean(axis=1), corpus)):
                return samples
        return corpus[:, None]

    @cached_property
    def labels(self) -> dict[str, dict[str, str]]:
        """metric -> task -> what must be said beside the number. Raises DataError where a task's runs differ in it."""
        labels: dict[str, dict[str, str]] = {}
        for (task, _, _), run in self.runs.items():
            for metric, label in run.labels.items():
                seen = labels.setdefault(metric, {}).setdefault(task, label)
                if seen != label:
                    raise DataError(
                        f'run {run.name}: {metric} was measured with "{label}", in an earlier run with "{seen}"; '
                        "evaluate all methods of the task the same way."
                    )
        return labels
