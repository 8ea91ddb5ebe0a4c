"""The GRUE tables: rows are methods, columns tasks. How they are written is in table_formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from rl4lms.config.compose import BEST_OF_N, ZERO_SHOT
from rl4lms.config.labels import arrow, method_label, metric_label, task_label
from rl4lms.core.result_keys import BASE_PERPLEXITY, KL_PER_SEQUENCE, KL_PER_TOKEN, REWARD, TOKENS
from rl4lms.results.averages import (
    measured_naturalness,
    naturalness_average,
    naturalness_interval,
    naturalness_scores,
    task_average,
    task_scores,
)
from rl4lms.results.gains import gain_tables
from rl4lms.results.normalised_gains import SuiteStatistics
from rl4lms.results.published import published_tables
from rl4lms.results.scores import SuiteScores
from rl4lms.results.seed_statistics import not_worse
from rl4lms.results.statistics import Floats
from rl4lms.results.statistics_tables import statistics_tables
from rl4lms.results.suite import MIN_SEEDS, RAW, SuiteSettings
from rl4lms.results.table import NOT_MEASURED, Cell, Column, MethodColumn, Table, method_table

_REWARD_NOTE = "The reward that the RL methods of the task are trained on, without its KL penalty; one score a sample."
_KL_NOTE = (
    "From the model that the run started from (Zero-shot for Supervised and RL, the run's own supervised model for "
    "Supervised + RL), in nats, over its generations on the test split."
)
_NO_KL_NOTE = "Best of n has none: that would take the density of the choice among its texts, which no model gives."
_COST_NOTE = "Mean over the test split, stop tokens included. Every other method generates one text a sample."


def grue_tables(scores: SuiteScores, statistics: SuiteStatistics, found: pd.DataFrame) -> list[Table]:
    """All tables of a suite, in the order in which they are shown. found: what its checkpoints gain."""
    tables = [task_table(scores), *statistics_tables(statistics, scores.settings), naturalness_table(scores)]
    tables += [metric_table(scores, metric) for metric in scores.settings.naturalness]
    tables.append(metric_table(scores, REWARD, title="Reward on the test split ↑", notes=(_REWARD_NOTE,)))
    tables += kl_tables(scores)
    tables.append(metric_table(scores, TOKENS, title="Tokens generated a sample to choose from", notes=(_COST_NOTE,)))
    tables += gain_tables(scores, found)
    tables += published_tables(scores)
    return [table for table in tables if table.rows and len(table.columns) > 1]


def task_table(scores: SuiteScores) -> Table:
    """Main metric per task, and the average across tasks."""
    settings = scores.settings
    columns = []
    for task, metric in settings.main_metrics.items():
        detail = f"{metric_label(metric)} {arrow(settings.higher_is_better(metric))}".strip()
        columns.append(_metric_column(scores, Column(task, task_label(task), detail), task, metric))
    averages = {method: task_average(scores, method) for method in settings.methods}
    best = _best(scores, {method: task_scores(scores, method) for method in settings.methods})
    columns.append(MethodColumn(Column("average", "Average", "normalised ↑"), averages, best))
    notes = [_spread_note(scores), _average_note(settings)]
    notes += _metric_notes(scores, settings.main_metrics.items())
    return method_table("task", "Task metrics", columns, notes, settings.methods)


def naturalness_table(scores: SuiteScores) -> Table:
    """Naturalness score per task (the mean of its normalised naturalness metrics), and the average across tasks."""
    settings = scores.settings
    columns = []
    for task in settings.tasks:
        values = {method: naturalness_interval(scores, task, method) for method in settings.methods}
        if any(values.values()):
            raw = {method: naturalness_scores(scores, task, method) for method in settings.methods}
            head = Column(task, task_label(task), "normalised ↑")
            columns.append(MethodColumn(head, values, _best(scores, raw)))
    if columns:
        averages = {method: naturalness_average(scores, method) for method in settings.methods}
        best = _best(scores, {method: measured_naturalness(scores, method) for method in settings.methods})
        columns.append(MethodColumn(Column("average", "Average", "normalised ↑"), averages, best))
    measured = ", ".join(metric_label(metric) for metric in settings.naturalness)
    notes = [f"Mean of the normalised naturalness metrics that a task has, of {measured}; each has its table below."]
    return method_table("naturalness", "Naturalness", columns, [*notes, _spread_note(scores)], settings.methods)


def metric_table(
    scores: SuiteScores,
    metric: str,
    *,
    key: str | None = None,
    title: str | None = None,
    notes: Sequence[str] = (),
    methods: Sequence[str] | None = None,
) -> Table:
    """One metric, raw, over the tasks that have it."""
    better = scores.settings.higher_is_better(metric)
    columns = []
    for task in scores.settings.tasks:
        column = _metric_column(scores, Column(task, task_label(task)), task, metric)
        if any(column.by_method.values()):
            columns.append(column)
    notes = [*notes, *_metric_notes(scores, [(column.column.key, metric) for column in columns])]
    head = title or f"{metric_label(metric)} {arrow(better)}".strip()
    return method_table(key or metric, head, columns, notes, methods or scores.settings.methods)


def kl_tables(scores: SuiteScores) -> list[Table]:
    """KL to the starting model and the base models' perplexity: neither a hacked reward nor a broken base can hide."""
    start, notes = "KL to the starting model", (_KL_NOTE, *([_NO_KL_NOTE] * (BEST_OF_N in scores.settings.methods)))
    base = "Perplexity of the base model on held-out text of its tasks ↓"
    return [
        metric_table(scores, KL_PER_TOKEN, key="kl_per_token", title=f"{start}, per token", notes=notes),
        metric_table(scores, KL_PER_SEQUENCE, key="kl_per_sequence", title=f"{start}, per sequence"),
        metric_table(scores, BASE_PERPLEXITY, key="base_perplexity", title=base, methods=(ZERO_SHOT,)),
    ]


def detail_table(scores: SuiteScores, task: str) -> Table:
    """Every metric of one task: rows are metrics, columns methods."""
    settings = scores.settings
    metrics = dict.fromkeys(metric for method in settings.methods for metric in scores.of(task, method)[0].metrics)
    columns = (Column("metric", "Metric", numeric=False), *(Column(m, method_label(m)) for m in settings.methods))
    rows = []
    for metric in metrics:
        better = settings.higher_is_better(metric)
        values = _metric_column(scores, Column(metric, metric), task, metric)
        row = method_table(metric, metric, [values], [], settings.methods)
        cells = dict(zip(row.row_keys, (cells[1] for cells in row.rows), strict=True))
        head = Cell(f"{metric_label(metric)} {arrow(better)}".strip(), metric)
        rows.append((head, *(cells.get(method, Cell(NOT_MEASURED)) for method in settings.methods)))
    notes = (_spread_note(scores, "row"), *_metric_notes(scores, [(task, metric) for metric in metrics]))
    return Table(f"detail_{task}", "All metrics", columns, tuple(metrics), tuple(rows), notes)


def _metric_column(scores: SuiteScores, head: Column, task: str, metric: str) -> MethodColumn:
    values = {method: scores.values(task, method, metric) for method in scores.settings.methods}
    scale = scores.settings.scales.get(metric, RAW)  # of perplexities their logarithms are compared
    raw = {method: None if given is None else scale.transformed(given) for method, given in values.items()}
    better = scores.settings.higher_is_better(metric)
    return MethodColumn(head, scores.over_seeds(task, metric), _best(scores, raw, better))


def _best(scores: SuiteScores, raw: Mapping[str, Floats | None], better: bool | None = True) -> frozenset[str]:
    """The methods of a column that cannot be told from its best; none where no other is left, or seeds are too few.

    raw: (tasks, seeds) or (seeds,) values; better: whether higher ones are, None where no direction is known.
    """
    if better is None or not scores.settings.tells_methods_apart:
        return frozenset()
    measured = {method: np.atleast_2d(values) for method, values in raw.items() if values is not None}
    found = not_worse(measured, higher_is_better=better, level=scores.settings.level)
    return found if len(found) < len(measured) else frozenset()


def _spread_note(scores: SuiteScores, along: str = "column") -> str:
    n = len(scores.settings.seeds)
    if n == 1:
        return f"One seed: no interval, and no method is marked as the best of a {along}."
    if n < MIN_SEEDS:
        return (
            f"Mean over {n} seeds (lowest and highest in brackets: the range of these runs, not an interval that "
            f"another would fall into). {n} seeds cannot tell methods apart; what is best in a {along} is marked "
            f"from {MIN_SEEDS} on."
        )
    level = f"{scores.settings.level:.0%}"
    return (
        f"Mean over {n} seeds ± half its {level} Student-t interval. In bold: what cannot be told from the best of a "
        f"{along} (one-sided paired t tests over seeds against the best mean, of perplexities' logarithms, all at once "
        f"with {level}), where something can."
    )


def _average_note(settings: SuiteSettings) -> str:
    return (
        f"Average: main metrics scaled by the constants of params/grue.yaml, mean over {len(settings.tasks)} tasks ± "
        f"half its {settings.level:.0%} t interval, from the scatter of seeds within tasks: of these tasks, and other "
        "seeds."
    )


def _metric_notes(scores: SuiteScores, shown: Iterable[tuple[str, str]]) -> list[str]:
    """What metrics ask to be said beside their numbers (a word list, a checkpoint). shown: (task, metric) pairs."""
    labels = scores.labels
    tasks_by_note: dict[tuple[str, str], list[str]] = {}
    for task, metric in shown:
        if label := labels.get(metric, {}).get(task):
            tasks_by_note.setdefault((metric, label), []).append(task_label(task))
    ambiguous = [metric for metric, _ in tasks_by_note]
    notes = []
    for (metric, label), tasks in tasks_by_note.items():
        where = f" ({', '.join(tasks)})" if ambiguous.count(metric) > 1 else ""
        notes.append(f"{metric_label(metric)}{where}: {label}.")
    return notes
