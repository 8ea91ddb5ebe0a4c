"""Tables of what was tested: does a method improve on what it started from?"""

from __future__ import annotations

from collections.abc import Sequence

from rl4lms.config.labels import method_label, metric_label, task_label
from rl4lms.results.comparisons import (
    ALPHA,
    Comparison,
    reward_comparisons,
    supervised_comparisons,
)
from rl4lms.results.scores import SuiteScores
from rl4lms.results.table import NOT_MEASURED, Cell, Column, Table, decimals

_COLUMNS = (
    Column("task", "Task", numeric=False),
    Column("method", "Method", numeric=False),
    Column("start", "Started from", numeric=False),
    Column("seed", "Seed"),
    Column("metric", "Metric", numeric=False),
    Column("start_value", "Before"),
    Column("value", "After"),
    Column("gain", "Gain"),
    Column("p_greater", "p, one-sided"),
    Column("p_two_sided", "p, two-sided"),
)


def reward_significance_table(scores: SuiteScores) -> Table:
    title = "Reward of each checkpoint beside that of the one it started from"
    return _significance_table("reward_gain", title, reward_comparisons(scores), scores)


def supervised_significance_table(scores: SuiteScores) -> Table:
    title = "Main metric of each supervised checkpoint beside zero-shot"
    return _significance_table("supervised_gain", title, supervised_comparisons(scores), scores)


def _significance_table(key: str, title: str, comparisons: Sequence[Comparison], scores: SuiteScores) -> Table:
    """A row per task, method and seed."""
    floor = 1 / (scores.settings.n_resamples + 1)
    marked = scores.settings.tells_methods_apart
    rows = tuple(_row(comparison, floor, marked and comparison.significant) for comparison in comparisons)
    row_keys = tuple(f"{c.task}/{c.method}/seed{c.seed}" for c in comparisons)
    notes = [
        f"Paired bootstrap over test samples ({scores.settings.n_resamples} resamples): p and the "
        f"{scores.settings.level:.0%} interval of the gain speak of these two checkpoints on these test samples, "
        "not of the methods that made them."
    ]
    if marked:
        notes.append(f"In bold: a gain above 0 with a two-sided p below {ALPHA}.")
    if other := dict.fromkeys(metric_label(c.metric) for c in comparisons if c.test and not c.tests_the_gain):
        notes.append(
            f"{', '.join(other)}: the corpus value is no mean over samples; p is of the mean score per sample, and the "
            "gain has no interval."
        )
    if untested := dict.fromkeys(metric_label(c.metric) for c in comparisons if c.test is None):
        notes.append(f"{', '.join(untested)}: no scores per sample, so no p.")
    return Table(key, title, _COLUMNS, row_keys, rows, tuple(notes))


def _row(c: Comparison, floor: float, marked: bool) -> tuple[Cell, ...]:
    """floor: the smallest p-value that the number of resamples can give; marked: whether the gain is in bold."""
    digits = decimals([c.value, c.start_value])
    gain = Cell(f"{c.gain:+.{digits}f}", c.gain, best=marked)
    if c.test is not None and c.tests_the_gain:
        text = f"{gain.text} [{c.test.low:+.{digits}f}, {c.test.high:+.{digits}f}]"
        gain = Cell(text, c.gain, c.test.low, c.test.high, best=marked)
    names = [Cell(label, name) for label, name in ((task_label(c.task), c.task), (method_label(c.method), c.method))]
    values = [Cell(f"{value:.{digits}f}", value) for value in (c.start_value, c.value)]
    p_values = (None, None) if c.test is None else (c.test.p_greater, c.test.p_two_sided)
    return (
        *names,
        Cell(method_label(c.start), c.start),
        Cell(str(c.seed), c.seed),
        Cell(metric_label(c.metric), c.metric),
        *values,
        gain,
        *(_p_cell(p, floor) for p in p_values),
    )


def _p_cell(p: float | None, floor: float) -> Cell:
    if p is None:
        return Cell(NOT_MEASURED)
    smallest = p <= floor * (1 + 1e-9)  # no resample was as extreme: all that is known is a bound
    return Cell(f"≤ {floor:.2g}" if smallest else f"{p:.3g}", p)
