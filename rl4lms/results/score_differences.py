"""The scores of two runs with intervals, and a paired test over the samples that both were scored on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl4lms.core.errors import DataError
from rl4lms.core.io import read_json
from rl4lms.core.manifest import MANIFEST_FILE
from rl4lms.core.result_keys import N_SAMPLES
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.consistency import check_identity, check_means, equal, shown_means
from rl4lms.results.run_directory import RunDirectory, score_columns
from rl4lms.results.sign_flips import PairedTest, paired_tests
from rl4lms.results.statistics import ALPHA, Interval, holm, t_interval

LEVEL = 1.0 - ALPHA

Floats = NDArray[np.float64]


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
        return equal(self.test.difference, self.b - self.a)


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


@dataclass(frozen=True)
class SplitScores:
    """What one run says of a split. rows: by sample id; columns: metric -> scores per sample."""

    run: RunDirectory
    split: str
    metrics: Mapping[str, float]
    rows: Mapping[str, Mapping[str, Any]]
    columns: Mapping[str, Floats]

    @classmethod
    def read(cls, run: RunDirectory, split: str) -> SplitScores:
        """Raises DataError for scores that are of another run than the manifest beside them says."""
        rows, metrics, lines = run.predictions(split), run.metrics(split), f"{split}_split_metrics.jsonl"
        check_identity(run.scores / lines, run.line(split), _run_of(run.scores))
        columns = score_columns(rows, metrics, run.predictions_file(split) or run.scores)
        return cls(run, split, metrics, {row["sample_id"]: row for row in rows}, columns)

    def check_means(self, shown: set[str]) -> None:
        """Raises DataError for scores per sample whose mean is not the value that is shown of them."""
        if self.columns and (path := self.run.predictions_file(self.split)) is not None:
            check_means(path, self.metrics, self.columns, self.run.line(self.split).get("means", shown))

    def of(self, metric: str, samples: Sequence[str]) -> Floats:
        """Scores of these samples, in their order."""
        place = {sample: i for i, sample in enumerate(self.rows)}
        return self.columns[metric][[place[sample] for sample in samples]]

    def interval(self, metric: str) -> Interval | None:
        scores, value = self.columns.get(metric), self.metrics.get(metric)
        if scores is None or value is None or not equal(float(scores.mean()), value):
            return None
        return t_interval(scores, level=LEVEL)


def paired_samples(sides: Sequence[SplitScores]) -> list[str]:
    """The samples that all runs have, with the same prompt, in the order of the first."""
    first, *others = sides
    return [
        sample
        for sample, row in first.rows.items()
        if all(sample in other.rows and _same_prompt(row, other.rows[sample]) for other in others)
    ]


def score_table(a: RunDirectory, b: RunDirectory, split: str, *, n_flips: int, seed: int) -> ScoreTable:
    """Every metric of either run, those with scores per sample first."""
    one, other = SplitScores.read(a, split), SplitScores.read(b, split)
    paired = paired_samples([one, other])
    names = [name for name in dict.fromkeys([*one.metrics, *other.metrics]) if name != N_SAMPLES]
    same = len(paired) == len(one.rows) == len(other.rows)  # a mean in one run is then a mean in the other
    shown = shown_means(one.metrics, one.columns) | shown_means(other.metrics, other.columns) if same else set()
    for side in (one, other):
        side.check_means(shown)

    tested = [name for name in names if paired and name in one.columns and name in other.columns]
    tests: dict[str, PairedTest] = {}
    if tested:
        gaps = [other.of(name, paired) - one.of(name, paired) for name in tested]
        rng = numpy_generator(seed, "compare", len(paired))
        tests = dict(zip(tested, paired_tests(gaps, level=LEVEL, n_flips=n_flips, rng=rng), strict=True))
    adjusted = holm({name: test.p for name, test in tests.items()})
    found = []
    for name in sorted(names, key=lambda name: name not in tests):
        interval_a, interval_b = one.interval(name), other.interval(name)
        values = (one.metrics.get(name), other.metrics.get(name))
        found.append(ScoreDifference(name, *values, interval_a, interval_b, tests.get(name), adjusted.get(name)))
    return ScoreTable(split, len(one.rows), len(other.rows), len(paired), found)


def _run_of(scores: Path) -> dict[str, Any]:
    """What the manifest of an evaluation says that its scores are of."""
    path = scores / MANIFEST_FILE
    manifest = read_json(path) if path.is_file() else {}
    return {key: manifest[key] for key in ("task", "method", "seed") if key in manifest}


def _same_prompt(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one["prompt_text"] == other["prompt_text"])
