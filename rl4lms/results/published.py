"""What others measured, beside ours with a verdict: in the suites whose params name such numbers."""

from __future__ import annotations

from collections.abc import Iterable

from rl4lms.config.labels import arrow, method_label, metric_label, task_label
from rl4lms.config.params_schema import PublishedParams
from rl4lms.core.result_keys import SPLIT
from rl4lms.results.scores import SuiteScores
from rl4lms.results.statistics import Interval
from rl4lms.results.table import NOT_MEASURED, Cell, Column, Table, decimals, interval_text

INSIDE, DIFFERS, NOT_RUN = "inside the interval", "differs", "not run"
OTHER_SPLIT, NO_INTERVAL = "another split", "no interval"
_INTERVALS = ("t",)  # kinds that another mean of as many seeds would fall near; the range of a few runs is none
_COLUMNS = (
    Column("method", "Method", numeric=False),
    Column("metric", "Metric", numeric=False),
    Column("published", "Published"),
    Column("ours", "Ours"),
    Column("verdict", "Verdict", numeric=False),
    Column("kind", "Measured by", numeric=False),
)
_NOTE = (
    f'"{INSIDE}": of our mean over seeds. The spread of the published values is not known, so "{DIFFERS}" says that '
    "they are not ours, not that either is wrong."
)
_SECOND_HAND = "Second-hand: transcribed by others, not read in the paper."


def published_tables(scores: SuiteScores) -> list[Table]:
    """One table for each task of the suite with published numbers: a row for each number, ours beside it."""
    of_task: dict[str, list[PublishedParams]] = {task: [] for task in scores.settings.tasks}
    for each in scores.settings.published:
        of_task.get(each.task, []).append(each)
    return [_table(scores, task, found) for task, found in of_task.items() if found]


def verdict(ours: Interval | None, published: PublishedParams) -> str:
    """Whether a published value is ours: inside our interval or not, or why that cannot be said."""
    if ours is None:
        return NOT_RUN
    if published.split != SPLIT:
        return OTHER_SPLIT
    if ours.kind not in _INTERVALS:
        return NO_INTERVAL
    return INSIDE if ours.low <= published.value <= ours.high else DIFFERS


def _table(scores: SuiteScores, task: str, published: list[PublishedParams]) -> Table:
    order = {method: i for i, method in enumerate(scores.settings.methods)}
    published = sorted(published, key=lambda each: order.get(each.method, len(order)))  # stable: as in params
    sources = {source: i for i, source in enumerate(dict.fromkeys(each.source for each in published), 1)}
    rows = []
    for each in published:
        ours = scores.over_seeds(task, each.metric).get(each.method) if each.method in order else None
        digits = decimals([each.value])
        better = arrow(scores.settings.higher_is_better(each.metric))
        shown = Cell(NOT_MEASURED) if ours is None else _ours(ours, digits)
        rows.append(
            (
                Cell(method_label(each.method), each.method),
                Cell(f"{metric_label(each.metric)} {better}".strip(), each.metric),
                Cell(f"{each.value:.{digits}f}", each.value),
                shown,
                Cell(verdict(ours, each)),
                Cell(f"{each.kind}, {each.split} ({sources[each.source]})"),
            )
        )
    keys = tuple(f"{each.method}/{each.metric}/{i}" for i, each in enumerate(published))
    title = f"{task_label(task)}: published values beside ours"
    return Table(f"paper_{task}", title, _COLUMNS, keys, tuple(rows), (_NOTE, *_notes(published, sources)))


def _ours(ours: Interval, digits: int) -> Cell:
    return Cell(interval_text(ours, digits), ours.mean, ours.low, ours.high)


def _notes(published: Iterable[PublishedParams], sources: dict[str, int]) -> list[str]:
    second_hand = any(each.kind == "paper, second-hand" for each in published)
    return [*([_SECOND_HAND] if second_hand else []), *(f"({i}) {source}." for source, i in sources.items())]
