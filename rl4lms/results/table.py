"""What a table is before it is written as Markdown, LaTeX, CSV or HTML, and how its numbers read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rl4lms.config.labels import method_label
from rl4lms.results.statistics import Interval

NOT_MEASURED = "–"


@dataclass(frozen=True)
class Cell:
    """text: what is shown; value: what it sorts by; low, high: bounds where it has some; best: in bold."""

    text: str
    value: float | str | None = None
    low: float | None = None
    high: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Column:
    """label: the head; detail: a second line below it; numeric columns are set to the right."""

    key: str
    label: str
    detail: str = ""
    numeric: bool = True

    @property
    def head(self) -> str:
        return f"{self.label}: {self.detail}" if self.detail else self.label


@dataclass(frozen=True)
class Table:
    """row_keys: an id per row, for machines. notes: sentences that belong below the table."""

    key: str
    title: str
    columns: tuple[Column, ...]
    row_keys: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MethodColumn:
    """A column of a method table: method -> interval, None where nothing was measured. best: the marked methods."""

    column: Column
    by_method: Mapping[str, Interval | None]
    best: frozenset[str] = frozenset()


def decimals(values: Sequence[float]) -> int:
    """Digits after the point that show a column's largest value with three or four figures."""
    largest = max((abs(value) for value in values), default=0.0)
    return 3 if largest < 10 else 2 if largest < 100 else 1


def interval_text(interval: Interval, digits: int) -> str:
    """0.512 ± 0.004 (t), 0.512 (0.508–0.516) (range), 0.512 [0.501, 0.523] (others); without a width, the mean."""
    mean, low, high = (f"{x:.{digits}f}" for x in (interval.mean, interval.low, interval.high))
    if interval.kind == "point" or low == high:
        return mean
    if interval.kind == "t":
        return f"{mean} ± {interval.high - interval.mean:.{digits}f}"
    return f"{mean} ({low}–{high})" if interval.kind == "range" else f"{mean} [{low}, {high}]"


def method_table(
    key: str, title: str, columns: Sequence[MethodColumn], notes: Sequence[str], methods: Sequence[str]
) -> Table:
    """A row per method of which anything was measured."""
    shown = [m for m in methods if any(column.by_method.get(m) for column in columns)]
    cells = [_cells(column, shown) for column in columns]
    rows = tuple((Cell(method_label(m), m), *(by_method[m] for by_method in cells)) for m in shown)
    heads = (Column("method", "Method", numeric=False), *(column.column for column in columns))
    return Table(key, title, heads, tuple(shown), rows, tuple(notes))


def _cells(column: MethodColumn, methods: Sequence[str]) -> dict[str, Cell]:
    intervals = {m: interval for m in methods if (interval := column.by_method.get(m)) is not None}
    digits = decimals([interval.mean for interval in intervals.values()])
    shown = {m: (interval_text(i, digits), i.mean, i.low, i.high, m in column.best) for m, i in intervals.items()}
    return {m: Cell(*shown[m]) if m in shown else Cell(NOT_MEASURED) for m in methods}
