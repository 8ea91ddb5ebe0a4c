"""What lies in a finished run: of the pipeline (scores apart from it), or of the training script (all in one)."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rl4lms.core.errors import DataError
from rl4lms.core.io import parse_json, read_json, read_jsonl

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

SPLITS = ("test", "val")
TEXT_COLUMNS = ("sample_id", "prompt_text", "generated_text")
_EPOCH = re.compile(r"epoch_(\d+)_(\w+)_split_predictions\.json")


@dataclass(frozen=True)
class RunDirectory:
    """A run by any directory of it: results/<suite>/runs/..., results/<suite>/scores/..., or the training script's.

    run: where config.json and manifest.json are; scores: where metrics and predictions are; growing: whether its logs
    may still be written, so that a last line without its end is left out. Raises DataError for a directory that holds
    neither.
    """

    run: Path
    scores: Path
    growing: bool = False

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        if not path.is_dir():
            raise DataError(f"{path}: no such directory; expected a run's.")
        run, scores = _counterpart(path, "scores", "runs"), _counterpart(path, "runs", "scores")
        if not any((each / name).is_file() for each in (run, scores) for name in ("config.json", "manifest.json")):
            known = "config.json nor manifest.json"
            raise DataError(f"{path}: neither {known} is there; expected the directory of a finished run.")
        return cls(run, scores)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration; empty where the stage keeps its params in the manifest."""
        return _object(self.run / "config.json")

    @property
    def manifest(self) -> dict[str, Any]:
        """Of training; of the evaluation where nothing was trained."""
        return _object(self.run / "manifest.json") or _object(self.scores / "manifest.json")

    @cached_property
    def splits(self) -> list[str]:
        """Splits with scores, test before val."""
        return [split for split in SPLITS if self.metrics(split)]

    def metrics(self, split: str) -> dict[str, float]:
        """Result key -> corpus value on `split`, as last evaluated; empty where it never was."""
        if line := self.line(split):
            return {str(key): float(value) for key, value in line["metrics"].items()}
        whole = self.scores / "metrics.json"  # of a model: numbers of no split of a task
        return _numbers(_object(whole)) if split == "test" else {}

    def line(self, split: str) -> dict[str, Any]:
        """The last line of the split's metrics; empty where it was never evaluated."""
        lines = self.scores / f"{split}_split_metrics.jsonl"
        if not lines.is_file():
            lines = self.run / lines.name
        rows = read_jsonl(lines, ["metrics"]) if lines.is_file() else []
        if not rows:
            return {}
        last = rows[-1]["metrics"]
        if not isinstance(last, dict) or len(_numbers(last)) < len(last):
            raise DataError(f"{lines}: metrics of its last line: expected an object of numbers.")
        return rows[-1]

    @property
    def curves(self) -> pd.DataFrame:
        """What was logged at every iteration, which is the index.

        Columns: rollout/<name> and train/<name> as logged, and <split>/<metric> of every evaluation. Iteration k is
        what was seen before update k, so 0 is the starting point. Empty for a run that logged nothing.
        """
        import pandas as pd

        columns: dict[str, dict[int, Any]] = {}
        for name in ("rollout_info.jsonl", "training_info.jsonl"):
            for row in self.log(name, "iteration"):
                for key in row.keys() - {"iteration"}:
                    columns.setdefault(key, {})[row["iteration"]] = row[key]
        for split in reversed(SPLITS):
            for row in self.log(f"{split}_split_metrics.jsonl", "epoch", "metrics"):
                for key, value in row["metrics"].items():
                    columns.setdefault(f"{split}/{key}", {})[row["epoch"]] = value
        return pd.DataFrame({key: pd.Series(columns[key], dtype=float) for key in columns}).rename_axis("iteration")

    def log(self, name: str, *columns: str) -> list[dict[str, Any]]:
        """The rows of a jsonl file of the run, each with at least `columns`; none where there is no such file."""
        path = self.run / name
        if not path.is_file():
            return []
        try:
            return read_jsonl(path, columns)
        except DataError as error:
            whole, _, partial = path.read_text(encoding="utf-8").rpartition("\n")
            if not self.growing or not partial:
                raise
            try:
                return [parse_json(line) for line in whole.splitlines()]
            except ValueError:
                raise error from None

    def samples(self, split: str = "test", epoch: int | None = None) -> pd.DataFrame:
        """One row per sample of `split`, as last evaluated or as at `epoch`: texts, and every score per sample."""
        import pandas as pd

        return pd.DataFrame(self.predictions(split, epoch))

    def predictions(self, split: str, epoch: int | None = None) -> list[dict[str, Any]]:
        """The rows of `split`, one per sample; none where it was never evaluated."""
        path = self.predictions_file(split, epoch)
        return [] if path is None else read_predictions(path)

    def predictions_file(self, split: str, epoch: int | None = None) -> Path | None:
        """Raises DataError for an epoch that was not evaluated, naming those that were."""
        found = {}
        for path in self.run.glob(f"epoch_*_{split}_split_predictions.json"):
            if match := _EPOCH.fullmatch(path.name):
                found[int(match[1])] = path
        if epoch is None:
            final = self.scores / f"{split}_predictions.json"
            return final if final.is_file() else found[max(found)] if found else None
        if epoch not in found:
            known = ", ".join(map(str, sorted(found))) or "none"
            raise DataError(f"{self.run}: no predictions of the split {split} at epoch {epoch}; there are: {known}.")
        return found[epoch]


def score_columns(rows: Sequence[Mapping[str, Any]], metrics: Collection[str], path: Path) -> dict[str, Floats]:
    """Metric -> its (n,) scores per sample, of the metrics that have them. path: of the rows.

    Raises DataError for a row of which the score is missing or no finite number.
    """
    columns = {}
    for metric in metrics:
        values: list[Any] = [row.get(metric) for row in rows]
        if values.count(None) == len(rows):
            continue
        if not ({*map(type, values)} <= {int, float} and all(map(math.isfinite, values))):
            i, value = next((i, value) for i, value in enumerate(values) if not _is_finite_number(value))
            raise DataError(
                f"{path}: row {i}: {metric} is {value!r}; expected a finite number. Evaluate the run again."
            )
        columns[metric] = np.array(values, dtype=np.float64)
    return columns


def _is_finite_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """Rows of a published predictions file. Raises DataError for a row without its texts or a sample that is twice."""
    try:
        rows = orjson.loads(path.read_bytes())  # a suite has thousands of these files, which is most of what it reads
    except (OSError, ValueError):
        rows = read_json(path)  # which says what is wrong
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{path}: expected a list of predictions, found {type(rows).__name__}.")
    for i, row in enumerate(rows):
        for name in TEXT_COLUMNS:
            if not isinstance(row, dict) or not isinstance(row.get(name), str):
                raise DataError(f"{path}: row {i}: expected an object with the text {name}.")
    if len({row["sample_id"] for row in rows}) < len(rows):
        raise DataError(f"{path}: a sample_id is there twice; expected one prediction per sample.")
    return rows


def _counterpart(path: Path, given: str, wanted: str) -> Path:
    """.../<given>/<task>/<method>/seed<k> -> .../<wanted>/<task>/<method>/seed<k> where that is; else `path`."""
    parts = list(path.parts)
    if len(parts) < 4 or parts[-4] != given:
        return path
    parts[-4] = wanted
    other = Path(*parts)
    return other if other.is_dir() else path


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected an object, found {type(content).__name__}.")
    return content


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {k: float(v) for k, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}
