"""Tables of what was tested: does a method improve on what it started from?"""

from __future__ import annotations

from collections.abc import Sequence

from rl4lms.evaluation.comparisons import (
    Comparison,
    reward_comparisons,
    supervised_comparisons,
)
from rl4lms.evaluation.labels import method_label, metric_label, task_label
from rl4lms.evaluation.scores import SuiteScores
from rl4lms.evaluation.table import NOT_MEASURED, Cell, Column, Table, decimals


def reward_significance_table(scores: SuiteScores) -> Table:
    title = "Does RL raise its reward over its starting point?"
    return _significance_table("reward_gain", title, reward_comparisons(scores), scores)


def supervised_significance_table(scores: SuiteScores) -> Table:
    title = "Does supervised training beat zero-shot on the main metric?"
    return _significance_table("supervised_gain", title, supervised_comparisons(scores), scores)


def _significance_table(key: str, title: str, comparisons: Sequence[Comparison], scores: SuiteScores) -> Table:
    """A row per task, method and seed."""
    columns = (
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
    floor = 1 / (scores.settings.n_resamples + 1)
    rows, row_keys = [], []
    for c in comparisons:
        digits = decimals([c.value, c.start_value])
        gain = Cell(f"{c.gain:+.{digits}f}", c.gain)
        if c.test is not None:
            bounds = f" [{c.test.low:+.{digits}f}, {c.test.high:+.{digits}f}]"
            gain = Cell(gain.text + bounds, c.gain, c.test.low, c.test.high, best=c.significant)
        cells = [Cell(text, text) for text in (task_label(c.task), method_label(c.method), method_label(c.start))]
        cells += [Cell(str(c.seed), c.seed), Cell(metric_label(c.metric), c.metric)]
        cells += [Cell(f"{x:.{digits}f}", x) for x in (c.start_value, c.value)]
        p_values = (None, None) if c.test is None else (c.test.p_greater, c.test.p_two_sided)
        rows.append((*cells, gain, *(_p_cell(p, floor) for p in p_values)))
        row_keys.append(f"{c.task}/{c.method}/seed{c.seed}")
    notes = [
        f"Paired bootstrap over test samples ({scores.settings.n_resamples} resamples); the gain with its "
        f"{scores.settings.level:.0%} interval, in bold where it is above 0 with a two-sided p below 0.05.",
    ]
    if any(c.test is None for c in comparisons):
        notes.append("No p-value for a metric with a corpus value alone.")
    return Table(key, title, columns, tuple(row_keys), tuple(rows), tuple(notes))


def _p_cell(p: float | None, floor: float) -> Cell:
    if p is None:
        return Cell(NOT_MEASURED)
    smallest = p <= floor * (1 + 1e-9)  # no resample was as extreme: all that is known is a bound
    return Cell(f"≤ {floor:.2g}" if smallest else f"{p:.3g}", p)
