"""Two finished runs beside each other: what differs, and which differences of score are real, as text and JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rl4lms.config.labels import metric_label
from rl4lms.results.differences import Difference, differences
from rl4lms.results.run_directory import RunDirectory
from rl4lms.results.score_differences import LEVEL, ScoreDifference, ScoreTable, common_split, score_table
from rl4lms.results.sign_flips import PairedTest
from rl4lms.results.statistics import Interval
from rl4lms.results.table import decimals, interval_text

WIDTH = 80
_KEY, _VALUE = 34, 20  # of a difference on one line
_TITLES = {
    "run": "Run",
    "params": "Params",
    "inputs": "Inputs (sha256)",
    "code": "Code",
    "packages": "Packages",
    "machine": "Machine",
}
_ABSENT = "-"
_MANY = "diversity_metrics/"


@dataclass(frozen=True, repr=False)
class Comparison:
    """a, b: the runs' directories; scores: None where the runs have no scores of one split."""

    a: str
    b: str
    differences: Sequence[Difference]
    scores: ScoreTable | None

    def __repr__(self) -> str:
        return text(self)

    def to_dict(self) -> dict[str, Any]:
        scores = None if self.scores is None else asdict(self.scores)
        for row, found in zip(scores["rows"] if scores else (), self.scores.rows if self.scores else (), strict=True):
            row["verdict"] = found.verdict
        return {"a": self.a, "b": self.b, "differences": [asdict(d) for d in self.differences], "scores": scores}


def compared(
    path_a: Path, path_b: Path, split: str | None = None, *, n_flips: int = 10_000, seed: int = 0
) -> Comparison:
    """The comparison of the runs in two directories.

    split: whose scores, by default test where both runs have it, else val; n_flips, seed: patterns of
    signs that the test draws, of more than 14 samples.
    """
    a, b = RunDirectory.open(path_a), RunDirectory.open(path_b)
    common = common_split(a, b, split)
    scores = None if common is None else score_table(a, b, common, n_flips=n_flips, seed=seed)
    return Comparison(str(path_a), str(path_b), differences(a, b), scores)


def text(comparison: Comparison) -> str:
    """Lines of at most 80 columns, as long as no single path or key is longer."""
    lines = [f"A  {printable(comparison.a)}", f"B  {printable(comparison.b)}"]
    for group, found in groupby(comparison.differences, key=lambda each: each.group):
        lines += ["", *_group(_TITLES[group], list(found))]
    if not comparison.differences:
        lines += ["", "Params, inputs, code, packages and machine are the same."]
    lines += ["", *(_scores(comparison.scores) if comparison.scores else ["Scores: of no split in both runs."])]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def printable(value: Any) -> str:
    """A value on one line; what a terminal would act on is escaped."""
    if isinstance(value, str) and value.isprintable() and value:
        return value
    return json.dumps(value, ensure_ascii=isinstance(value, str))


def _group(title: str, found: Sequence[Difference]) -> Iterator[str]:
    alone = [d for d in found if d.group == "inputs" and not (d.in_a and d.in_b)]
    rows = [(printable(d.key), *_values(d)) for d in found if d not in alone]
    fits = bool(rows) and all(len(key) <= _KEY and max(len(a), len(b)) <= _VALUE for key, a, b in rows)
    yield f"{title:<{_KEY + 4}}{'A':<{_VALUE + 2}}B" if fits else title
    for key, a, b in rows:
        if fits:
            yield f"  {key:<{_KEY + 2}}{a:<{_VALUE + 2}}{b}"
        else:
            yield f"  {key}"
            yield from _wrapped("A", a)
            yield from _wrapped("B", b)
    for d in sorted(alone, key=lambda d: d.in_b):
        yield f"  {'B' if d.in_b else 'A'} alone  {d.b if d.in_b else d.a}  {printable(d.key)}"


def _values(difference: Difference) -> tuple[str, str]:
    a, b = difference.a, difference.b
    return printable(a) if difference.in_a else _ABSENT, printable(b) if difference.in_b else _ABSENT


def _wrapped(name: str, value: str) -> list[str]:
    lines = textwrap.wrap(value, WIDTH - 9, break_on_hyphens=False) or [""]
    return [f"      {name}  {lines[0]}", *(f"         {line}" for line in lines[1:])]


def _scores(table: ScoreTable) -> list[str]:
    tested = [row for row in table.rows if row.test is not None]
    rest = [row for row in table.rows if row.test is None]
    n = f"{table.n_a} samples" if table.n_a == table.n_b == table.n_paired else (
        f"{table.n_a} and {table.n_b} samples, tested over the {table.n_paired} that both have"
    )  # fmt: skip
    lines = [f"Scores on the split {table.split}: {n}"] if tested else [f"Scores on the split {table.split}"]
    for row in tested:
        lines += _tested(row)
    if tested:
        note = (
            f"±: half of the {LEVEL:.0%} t interval over samples. p: two-sided, by flipping the signs of differences "
            f"per sample, adjusted for {len(tested)} metrics by Holm's method. A difference is called real where p < "
            f"{1 - LEVEL:.2g}: between these two models on these samples, which says nothing of the methods that made "
            "them."
        )
        lines += ["", *textwrap.wrap(note, WIDTH)]
    if any(not row.tests_the_values for row in tested):
        note = (
            "*: the mean difference per sample, which is what is tested, is not the difference of the values "
            "(a corpus score, or other samples)."
        )
        lines += textwrap.wrap(note, WIDTH)
    return [*lines, *_untested(rest)]


def _tested(row: ScoreDifference) -> list[str]:
    assert row.test is not None and row.p is not None
    verdict = {"no": "no real difference", "b higher": "B is higher", "b lower": "B is lower"}[row.verdict]
    digits = decimals([abs(v) for v in (row.a, row.b) if v is not None])
    mark = "" if row.tests_the_values else "*"
    p = "p < 0.001" if row.p < 0.001 else f"p = {row.p:.3f}"
    ours, theirs = (_value(v, i, digits) for v, i in ((row.a, row.interval_a), (row.b, row.interval_b)))
    head = f"{printable(row.metric):<{WIDTH - 32}} {p}  {verdict}"
    return ["", head, f"  A {ours:<22} B {theirs:<22} B - A{mark} {_interval(row.test, digits)}"]


def _interval(test: PairedTest, digits: int) -> str:
    return interval_text(Interval(test.difference, test.low, test.high, test.n, "t"), digits)


def _value(value: float | None, interval: Interval | None, digits: int) -> str:
    if value is None:
        return _ABSENT
    return f"{value:.{digits}f}" if interval is None else interval_text(interval, digits)


def _untested(rows: Iterable[ScoreDifference]) -> list[str]:
    """Values of metrics without scores per sample, where they differ; of the forty of diversity, those with a label."""
    rows = list(rows)
    differing = [row for row in rows if row.a != row.b]
    shown = [row for row in differing if not row.metric.startswith(_MANY) or metric_label(row.metric) != row.metric]
    if not rows:
        return []
    lines = ["", f"{'Without scores per sample, so not tested':<46}{'A':>11}{'B':>11}{'B - A':>11}"]
    for row in shown:
        gap = "" if row.a is None or row.b is None else f"{row.b - row.a:.4g}"
        lines.append(f"  {printable(row.metric):<43} {_plain(row.a):>11}{_plain(row.b):>11}{gap:>11}")
    if len(shown) < len(differing):
        lines.append(f"  {len(differing) - len(shown)} more of {_MANY} differ; --json shows them")
    if len(differing) < len(rows):
        lines.append(f"  {len(rows) - len(differing)} more are equal")
    return lines


def _plain(value: float | None) -> str:
    return _ABSENT if value is None else f"{value:.5g}"
