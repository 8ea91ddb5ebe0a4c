"""Do the files of a finished run agree with each other? What was edited, mixed up or half copied is named.

A metric's value over the test set need not be the mean of its scores per sample (of BLEU and TER it is not). Which are
means is not listed anywhere: the evaluation notes it beside the values. Where an older release did not, one run of the
task that shows it says it for all, because all of them are scored on the same samples.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl4lms.core.errors import DataError

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]


def equal(one: float, other: float) -> bool:
    """Up to the rounding of a mean."""
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)


def shown_means(metrics: Mapping[str, float], columns: Columns) -> set[str]:
    """Metrics whose value is the mean of scores that differ: of equal ones, any average would be."""
    return {
        name
        for name, scores in columns.items()
        if name in metrics and scores.min() < scores.max() and equal(float(scores.mean()), metrics[name])
    }


def check_means(path: Path, metrics: Mapping[str, float], columns: Columns, means: Collection[str]) -> None:
    """path: of the predictions. means: metrics whose value is the mean of their scores per sample."""
    for name in means:
        if name not in columns or name not in metrics:
            continue
        mean = float(columns[name].mean())
        if not equal(mean, metrics[name]):
            raise DataError(
                f"{path}: the {columns[name].size} scores of {name} have the mean {mean:.6g}, but the run's metrics "
                f"say {metrics[name]:.6g}: one of the two was changed. Evaluate the run again."
            )


def check_values(path: Path, metrics: Mapping[str, float], line: Mapping[str, Any], line_path: Path) -> None:
    """path: of metrics.json, without its count; line: the last of the split's metrics, in `line_path`."""
    for name in dict.fromkeys([*metrics, *line]):
        if metrics.get(name) != line.get(name):
            raise DataError(
                f"{path}: {name} is {_shown(metrics, name)}, but {_shown(line, name)} in the last line of {line_path}: "
                "one of the two was changed. Evaluate the run again."
            )


def _shown(values: Mapping[str, Any], name: str) -> str:
    return repr(values[name]) if name in values else "missing"


def check_identity(path: Path, said: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """said: what a file tells of its run, as far as it does; expected: what its place tells."""
    for key, value in expected.items():
        if key in said and said[key] != value:
            raise DataError(
                f"{path}: {key} is {said[key]!r}; expected {value!r} there: the files of another run were put in this "
                "one's place. Make the run again."
            )
