"""The scores of two runs with intervals, and a paired bootstrap over the samples that both were scored on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl4lms.core.errors import DataError
from rl4lms.core.io import read_json
from rl4lms.core.manifest import MANIFEST_FILE
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.bootstrap import Interval, PairedTest, mean_interval, paired_test
from rl4lms.results.comparisons import ALPHA
from rl4lms.results.consistency import check_identity, check_means, shown_means
from rl4lms.results.run_directory import RunDirectory

LEVEL = 1.0 - ALPHA
_TEXT = ("split_name", "sample_id", "prompt_text", "generated_text", "ref_text")

Floats = NDArray[np.float64]
Rows = Mapping[str, Mapping[str, Any]]  # by sample id


@dataclass(frozen=True)
class ScoreDifference:
    """One metric of both runs.

    a, b: corpus values, None where not measured; interval_a, interval_b: around them, None where the value is not the
    mean of scores per sample (BLEU, perplexity); test: of b - a per sample, None without such scores; p: its two-sided
    p-value, adjusted by Holm's method for all metrics that are tested.
    """

    metric: str
    a: float | None
    b: float | None
    interval_a: Interval | None
    interval_b: Interval | None
    test: PairedTest | None
    p: float | None

    @property
    def verdict(self) -> str:
        """Whether the difference is real: "b higher", "b lower", "no" (it may be chance), or "" (not tested)."""
        if self.test is None or self.p is None:
            return ""
        if self.p >= ALPHA:
            return "no"
        return "b higher" if self.test.difference > 0 else "b lower"

    @property
    def tests_the_values(self) -> bool:
        """Whether the mean difference per sample is b - a; of corpus BLEU it is not, the test is of another mean."""
        if self.test is None or self.a is None or self.b is None:
            return False
        return math.isclose(self.test.difference, self.b - self.a, rel_tol=1e-6, abs_tol=1e-9)


@dataclass(frozen=True)
class ScoreTable:
    """n_a, n_b: samples of each run; n_paired: those that both have, with the same prompt, over which is tested."""

    split: str
    n_a: int
    n_b: int
    n_paired: int
    rows: list[ScoreDifference]


def common_split(a: RunDirectory, b: RunDirectory, split: str | None) -> str | None:
    """`split`, or test where both runs have it, else val; None where they have no scores of one split.

    Raises DataError for a split that was asked for and that a run lacks.
    """
    if split is None:
        return next((each for each in a.splits if each in b.splits), None)
    for run in (a, b):
        if split not in run.splits:
            known = ", ".join(run.splits) or "none"
            raise DataError(f"{run.scores}: no scores of the split {split}; there are: {known}.")
    return split


def score_table(a: RunDirectory, b: RunDirectory, split: str, *, n_resamples: int, seed: int) -> ScoreTable:
    """Every metric of either run, those with scores per sample first."""
    rows_a, rows_b = ({row["sample_id"]: row for row in run.predictions(split)} for run in (a, b))
    paired = [name for name, row in rows_a.items() if name in rows_b and _same_prompt(row, rows_b[name])]
    metrics_a, metrics_b = a.metrics(split), b.metrics(split)
    names = [name for name in dict.fromkeys([*metrics_a, *metrics_b]) if name != "n"]
    _check_samples(a, b, split, rows_a, rows_b, same=len(paired) == len(rows_a) == len(rows_b))

    def draw(*keys: str) -> np.random.Generator:
        return numpy_generator(seed, "compare", *keys)

    tests: dict[str, PairedTest] = {}
    for name in names:
        ours, theirs = (_column([rows[sample] for sample in paired], name) for rows in (rows_a, rows_b))
        if ours is not None and theirs is not None:
            tests[name] = paired_test(theirs, ours, level=LEVEL, n_resamples=n_resamples, rng=draw("paired", name))
    adjusted = holm({name: test.p_two_sided for name, test in tests.items()})
    found = []
    for name in sorted(names, key=lambda name: name not in tests):
        a_value, b_value = metrics_a.get(name), metrics_b.get(name)
        interval_a, interval_b = (
            _interval(_column(list(rows.values()), name), value, n_resamples, draw("interval", name))
            for rows, value in ((rows_a, a_value), (rows_b, b_value))
        )
        test, p = tests.get(name), adjusted.get(name)
        found.append(ScoreDifference(name, a_value, b_value, interval_a, interval_b, test, p))
    return ScoreTable(split, len(rows_a), len(rows_b), len(paired), found)


def _check_samples(a: RunDirectory, b: RunDirectory, split: str, rows_a: Rows, rows_b: Rows, *, same: bool) -> None:
    """Raises DataError for scores per sample whose mean is not the value that is shown of them.

    same: whether both runs were scored on the same samples, so that a mean in one is a mean in the other.
    """
    found = []
    for run, rows in ((a, rows_a), (b, rows_b)):
        check_identity(run.scores / f"{split}_split_metrics.jsonl", run.line(split), _run_of(run.scores))
        metrics = run.metrics(split)
        given = ((name, _column(list(rows.values()), name)) for name in metrics)
        found.append((run, metrics, {name: scores for name, scores in given if scores is not None}))
    shown = set().union(*(shown_means(metrics, columns) for _, metrics, columns in found)) if same else set()
    for run, metrics, columns in found:
        if columns and (path := run.predictions_file(split)) is not None:
            check_means(path, metrics, columns, run.line(split).get("means", shown))


def _run_of(scores: Path) -> dict[str, Any]:
    """What the manifest of an evaluation says that its scores are of."""
    path = scores / MANIFEST_FILE
    manifest = read_json(path) if path.is_file() else {}
    return {key: manifest[key] for key in ("task", "method", "seed") if key in manifest}


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down adjustment (Scandinavian Journal of Statistics 6, 1979): the k-th smallest of n times n - k + 1.

    Never below one that is smaller, never above 1: as many tests as there are, 5 in 100 such tables hold a false one.
    """
    adjusted, largest = {}, 0.0
    for k, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, p * (len(p_values) - k)))
        adjusted[name] = largest
    return adjusted


def _same_prompt(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one["prompt_text"] == other["prompt_text"])


def _column(rows: Sequence[Mapping[str, Any]], metric: str) -> Floats | None:
    """(n,) scores per sample; None where there are none."""
    values = [row.get(metric) for row in rows]
    if not values or metric in _TEXT or not all(isinstance(value, int | float) for value in values):
        return None
    return np.array(values, dtype=np.float64)


def _interval(
    scores: Floats | None, value: float | None, n_resamples: int, rng: np.random.Generator
) -> Interval | None:
    if scores is None or value is None or not math.isclose(float(scores.mean()), value, rel_tol=1e-6, abs_tol=1e-9):
        return None
    return mean_interval(scores, level=LEVEL, n_resamples=n_resamples, rng=rng)
