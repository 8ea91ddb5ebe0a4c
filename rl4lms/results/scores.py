"""The scores of all runs of a suite, read from what the evaluation stage wrote, and the long table of them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl4lms.core.errors import DataError
from rl4lms.core.io import read_json, read_jsonl
from rl4lms.core.result_keys import N_SAMPLES, REWARD, SPLIT
from rl4lms.results.consistency import check_means, column, equal, shown_means
from rl4lms.results.suite import SuiteSettings

COLUMNS = ("task", "method", "seed", "split", "metric", "value", "n", "higher_is_better")

# What a spreadsheet takes for the beginning of a formula, in the wide forms of Chinese and Japanese keyboards, too.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RunScores:
    """One run's scores on the test split.

    metrics: result key -> corpus value, `n` apart; n: test samples; labels: what must be said beside a metric; line:
    the last of test_split_metrics.jsonl, which says the metrics again, of which run they are, and which are means.
    """

    task: str
    method: str
    seed: int
    directory: Path
    metrics: Mapping[str, float]
    n: int
    labels: Mapping[str, str] = field(default_factory=dict)
    line: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, directory: Path, task: str, method: str, seed: int) -> RunScores:
        """Raises DataError naming the run for a missing or broken file."""
        path = directory / "metrics.json"
        if not path.is_file():
            raise DataError(
                f"{path}: no such file, so run {task}/{method}/seed{seed} is missing. Evaluate it "
                f"(python -m rl4lms evaluate --task {task} --method {method} ...), or leave it out of the suite."
            )
        metrics = read_json(path)
        if not isinstance(metrics, dict) or not isinstance(metrics.get(N_SAMPLES), int):
            raise DataError(f'{path}: expected an object of numbers with a whole number "{N_SAMPLES}".')
        for key, value in metrics.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise DataError(f"{path}: {key} is {value!r}; expected a finite number.")
        values = {key: float(value) for key, value in metrics.items() if key != N_SAMPLES}
        lines = read_jsonl(directory / f"{SPLIT}_split_metrics.jsonl", ["metrics"])
        if not lines:
            raise DataError(f"{directory / f'{SPLIT}_split_metrics.jsonl'}: empty; evaluate {task}/{method} again.")
        return cls(task, method, seed, directory, values, metrics[N_SAMPLES], lines[-1].get("labels", {}), lines[-1])

    @property
    def name(self) -> str:
        return f"{self.task}/{self.method}/seed{self.seed}"

    @cached_property
    def predictions(self) -> list[dict[str, Any]]:
        """Rows of test_predictions.json, one per test sample in the split's order."""
        path = self.predictions_file
        rows = read_json(path)
        if not isinstance(rows, list) or len(rows) != self.n:
            found = len(rows) if isinstance(rows, list) else type(rows).__name__
            raise DataError(f"{path}: expected a list of {self.n} predictions, found {found}.")
        for i, row in enumerate(rows):
            if not isinstance(row, dict):
                raise DataError(f"{path}: row {i}: expected an object, found {type(row).__name__}.")
        return rows

    @property
    def predictions_file(self) -> Path:
        return self.directory / f"{SPLIT}_predictions.json"

    def per_sample(self, metric: str) -> Floats | None:
        """(n,) scores of the test samples; None for a metric that has a corpus value alone."""
        return self.columns.get(metric)

    @cached_property
    def columns(self) -> dict[str, Floats]:
        """Metric -> scores per sample, of the metrics that have them."""
        named = [key for key in self.metrics if any(key in row for row in self.predictions)]
        return {key: column(self.predictions, key, self.predictions_file) for key in named}


@dataclass(frozen=True)
class SuiteScores:
    """Every run of a suite: all tasks, methods and seeds, none missing."""

    settings: SuiteSettings
    runs: Mapping[tuple[str, str, int], RunScores]

    @classmethod
    def read(cls, scores_dir: Path, settings: SuiteSettings) -> SuiteScores:
        """Read scores_dir/<task>/<method>/seed<k> for the whole suite. Raises DataError naming what is missing."""
        runs = {
            (task, method, seed): RunScores.read(scores_dir / task / method / f"seed{seed}", task, method, seed)
            for task in settings.tasks
            for method in settings.methods
            for seed in settings.seeds
        }
        for (task, _, _), run in runs.items():
            if (key := settings.main_metrics[task]) not in run.metrics:
                raise DataError(f"run {run.name}: no value for the task's main metric {key}; evaluate it again.")
        for task in settings.tasks:
            _check_samples([run for (of, _, _), run in runs.items() if of == task])
        return cls(settings, runs)

    def of(self, task: str, method: str) -> list[RunScores]:
        """Runs of all seeds, in the suite's order of seeds."""
        return [self.runs[task, method, seed] for seed in self.settings.seeds]

    def values(self, task: str, method: str, metric: str) -> list[float] | None:
        """The metric's corpus value of every seed; None where it is not measured for the task."""
        found = [run.metrics.get(metric) for run in self.of(task, method)]
        values = [value for value in found if value is not None]
        if values and len(values) < len(found):
            raise DataError(f"runs {task}/{method}: {metric} is there for some seeds only; evaluate the method again.")
        return values or None

    def table(self, task: str, method: str, metric: str) -> Floats:
        """(seeds, samples) scores whose mean is the mean of the corpus values.

        One column where the corpus value is not the mean of scores per sample (BLEU, perplexity).
        """
        runs = self.of(task, method)
        corpus = np.array(self.values(task, method, metric), dtype=np.float64)
        rows = [scores for run in runs if (scores := run.per_sample(metric)) is not None]
        if len(rows) == len(runs) and len({row.size for row in rows}) == 1:
            samples = np.stack(rows)
            if all(map(equal, samples.mean(axis=1), corpus)):
                return samples
        return corpus[:, None]

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

    def rows(self) -> Iterator[dict[str, Any]]:
        """The long table: one row per run and metric, columns COLUMNS."""
        for (task, method, seed), run in self.runs.items():
            for metric, value in run.metrics.items():
                better = self.settings.higher_is_better(metric)
                direction = "" if better is None else str(better).lower()
                yield dict(zip(COLUMNS, (task, method, seed, SPLIT, metric, value, run.n, direction), strict=True))


def _check_samples(runs: Sequence[RunScores]) -> None:
    """runs: of one task. Raises DataError for scores per sample whose mean is not the value that is shown of them."""
    shown = {REWARD}.union(*(shown_means(run.metrics, run.columns) for run in runs))
    for run in runs:
        check_means(run.predictions_file, run.metrics, run.columns, run.line.get("means", shown))


def to_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as CSV text with a header; floats in full precision, None as an empty field."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(columns), lineterminator="\n")
    writer.writerow({name: csv_cell(name) for name in columns})
    writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue()


def csv_cell(value: Any) -> Any:
    """A text that a spreadsheet would compute gets an apostrophe in front, as one types it there; numbers stay."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS) and not is_number(value):
        return f"'{value}"
    return value


def is_number(text: str) -> bool:
    try:
        return bool(text.strip() == text and math.isfinite(float(text)))
    except ValueError:
        return False
