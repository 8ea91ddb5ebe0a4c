"""Comparisons of methods as text of 80 columns, and for machines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rl4lms.config.labels import metric_label, task_label
from rl4lms.results.comparison import WIDTH, printable
from rl4lms.results.method_comparison import MethodComparison, MethodDifference
from rl4lms.results.statistics import ALPHA
from rl4lms.results.suite import MIN_SEEDS
from rl4lms.results.table import decimals, interval_text

_MANY = "diversity_metrics/"
_SAID = {"a higher": "A is higher", "a lower": "A is lower", "no": "no real difference"}
_ABOUT = (
    f"models: of these runs on other samples. The differences of the common seeds are averaged per sample, and tested "
    f"by flipping their signs; p is two-sided, adjusted for all metrics by Holm's method, and a difference is called "
    f"real where p < {ALPHA:g}."
)
_FEW = (
    f"methods: below {MIN_SEEDS} common seeds nothing is claimed of them. In brackets are the lowest and the highest "
    "run, which is no interval."
)
_ENOUGH = (
    "methods: of runs with other seeds. The differences of the seeds are tested in the same way; of n seeds no p is "
    "below 2^-(n-1), so five cannot show a difference and six can. ±: half of the 95 % t interval over seeds. "
    "detectable: the true difference that this test finds with power 80 %. g: Hedges' effect size."
)


@dataclass(frozen=True, repr=False)
class MethodComparisons:
    """The comparisons of one call, one for each method; printed, they are a text of 80 columns."""

    found: Sequence[MethodComparison]

    def __repr__(self) -> str:
        lines = [line for each in self.found for line in [*_comparison(each), ""]]
        notes = [_ABOUT] if any(row.samples for each in self.found for row in each.rows) else []
        enough = {len(each.paired) >= MIN_SEEDS for each in self.found}
        notes += ([_ENOUGH] if True in enough else []) + ([_FEW] if False in enough else [])
        lines += [line for note in notes for line in textwrap.wrap(note, WIDTH)]
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        return {"methods": [each.to_dict() for each in self.found]}


def _comparison(found: MethodComparison) -> Iterator[str]:
    for name, label, seeds in (("A", found.a, found.seeds_a), ("B", found.b, found.seeds_b)):
        yield f"{name}  {printable(label)}, seed{'s' * (len(seeds) > 1)} {' '.join(map(str, seeds))}"
    where = f"{task_label(found.task)}, split {found.split}" if found.task else f"Split {found.split}"
    pairs = ", ".join(map(str, found.paired))
    paired = f"paired by seed {pairs}, {found.n_paired} samples" if found.paired else "no common seed, so not paired"
    yield f"{where}: {paired}"
    named = [row for row in found.rows if not row.metric.startswith(_MANY) or metric_label(row.metric) != row.metric]
    shown = [row for row in named if not row.is_equal]
    for row in shown:
        yield ""
        yield from _metric(row, len(found.seeds_a) * len(found.seeds_b))
    rest = {f"of {_MANY}; --json shows them": len(found.rows) - len(named), "equal": len(named) - len(shown)}
    if any(rest.values()):
        yield ""
        yield "; ".join(f"{n} more {what}" for what, n in rest.items() if n)


def _metric(row: MethodDifference, n_pairs: int) -> Iterator[str]:
    digits = decimals([row.a.mean, row.b.mean])
    head = f"{printable(row.metric):<40}"
    if row.samples_p is not None:
        head += f" models: {_p(row.samples_p)}, {_SAID[row.models_verdict]}"
    yield head
    gap = "" if row.difference is None else f"A - B {interval_text(row.difference, digits)}"
    a, b = (interval_text(each, digits) for each in (row.a, row.b))
    yield from _fitting([f"A {a}", f"B {b}", gap])
    said = [f"A above B in {row.higher * n_pairs:g} of {n_pairs} pairs of runs"]
    if row.seeds_p is not None:
        said = [f"methods: {_p(row.seeds_p)}, {_SAID[row.methods_verdict]}", *said]
        said += [] if row.effect is None else [f"g {row.effect:.2f}"]
        said += ["nothing is detectable" if row.detectable is None else f"detectable {row.detectable:.{digits}f}"]
    yield from _fitting(said)


def _fitting(parts: Sequence[str]) -> Iterator[str]:
    """On one line in columns, or on one each where a line does not hold them."""
    shown = [part for part in parts if part]
    line = "  " + "  ".join(f"{part:<23}" for part in shown)
    yield from [line] if len(line.rstrip()) <= WIDTH else [f"  {part}" for part in shown]


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
