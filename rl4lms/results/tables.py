"""The GRUE tables: rows are methods, columns tasks. How they are written is in table_formats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from rl4lms.config.compose import BEST_OF_N, ZERO_SHOT
from rl4lms.config.labels import arrow, method_label, metric_label, task_label
from rl4lms.core.result_keys import BASE_PERPLEXITY, KL_PER_SEQUENCE, KL_PER_TOKEN, REWARD, TOKENS
from rl4lms.results.averages import naturalness_average, naturalness_interval, task_average, without_sample_scores
from rl4lms.results.gains import gain_tables
from rl4lms.results.scores import SuiteScores
from rl4lms.results.statistics import Interval
from rl4lms.results.suite import MIN_SEEDS, SuiteSettings
from rl4lms.results.table import NOT_MEASURED, Cell, Column, MethodColumn, Table, method_table

_REWARD_NOTE = "The reward that the RL methods of the task are trained on, without its KL penalty; one score a sample."
_KL_NOTE = (
    "From the model that the run started from (Zero-shot for Supervised and RL, the run's own supervised model for "
    "Supervised + RL), in nats, over its generations on the test split."
)
_NO_KL_NOTE = "Best of n has none: that would take the density of the choice among its texts, which no model gives."
_COST_NOTE = "Mean over the test split, stop tokens included. Every other method generates one text a sample."


def grue_tables(scores: SuiteScores, found: pd.DataFrame) -> list[Table]:
    """All tables of a suite, in the order in which they are shown. found: its gains."""
    tables = [task_table(scores), naturalness_table(scores)]
    tables += [metric_table(scores, metric) for metric in scores.settings.naturalness]
    tables.append(metric_table(scores, REWARD, title="Reward on the test split ↑", notes=(_REWARD_NOTE,)))
    tables += kl_tables(scores)
    tables.append(metric_table(scores, TOKENS, title="Tokens generated a sample to choose from", notes=(_COST_NOTE,)))
    tables += gain_tables(scores, found)
    tables += [paper_table(scores, task) for task in scores.settings.paper if task in scores.settings.tasks]
    return [table for table in tables if table.rows and len(table.columns) > 1]


def task_table(scores: SuiteScores) -> Table:
    """Main metric per task, and the average across tasks."""
    settings = scores.settings
    columns = []
    for task, metric in settings.main_metrics.items():
        better = settings.higher_is_better(metric)
        head = Column(task, task_label(task), f"{metric_label(metric)} {arrow(better)}".strip())
        columns.append(MethodColumn(head, scores.over_seeds(task, metric), _marked(scores, better)))
    averages = {method: task_average(scores, method) for method in settings.methods}
    columns.append(MethodColumn(Column("average", "Average", "normalised ↑"), averages, _marked(scores, True)))
    notes = [_spread_note(scores), _average_note(settings)]
    if corpus := without_sample_scores(scores):
        names = ", ".join(task_label(task) for task in corpus)
        notes.append(f"{names}: the corpus value is no mean over samples, so that bootstrap resamples only its seeds.")
    notes += _metric_notes(scores, settings.main_metrics.items())
    return method_table("task", "Task metrics", columns, notes, settings.methods)


def naturalness_table(scores: SuiteScores) -> Table:
    """Naturalness score per task (the mean of its normalised naturalness metrics), and the average across tasks."""
    settings = scores.settings
    columns = []
    for task in settings.tasks:
        values = {method: naturalness_interval(scores, task, method) for method in settings.methods}
        if any(values.values()):
            columns.append(MethodColumn(Column(task, task_label(task), "normalised ↑"), values, _marked(scores, True)))
    if columns:
        averages = {method: naturalness_average(scores, method) for method in settings.methods}
        columns.append(MethodColumn(Column("average", "Average", "normalised ↑"), averages, _marked(scores, True)))
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
        values = scores.over_seeds(task, metric)
        if any(values.values()):
            columns.append(MethodColumn(Column(task, task_label(task)), values, _marked(scores, better)))
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
        values = MethodColumn(Column(metric, metric), scores.over_seeds(task, metric), _marked(scores, better))
        row = method_table(metric, metric, [values], [], settings.methods)
        cells = dict(zip(row.row_keys, (cells[1] for cells in row.rows), strict=True))
        head = Cell(f"{metric_label(metric)} {arrow(better)}".strip(), metric)
        rows.append((head, *(cells.get(method, Cell(NOT_MEASURED)) for method in settings.methods)))
    notes = (_spread_note(scores, "row"), *_metric_notes(scores, [(task, metric) for metric in metrics]))
    return Table(f"detail_{task}", "All metrics", columns, tuple(metrics), tuple(rows), notes)


def paper_table(scores: SuiteScores, task: str) -> Table:
    """Our mean beside the published number, for every method that either has (only in the suite `paper`)."""
    published = scores.settings.paper[task]
    metrics = list(dict.fromkeys(metric for row in published.values() for metric in row))
    columns = []
    for metric in metrics:
        better = scores.settings.higher_is_better(metric)
        label = f"{metric_label(metric)} {arrow(better)}".strip()
        columns.append(MethodColumn(Column(metric, label, "ours"), scores.over_seeds(task, metric)))
        theirs = {method: _point(row.get(metric)) for method, row in published.items()}
        columns.append(MethodColumn(Column(f"{metric}/paper", label, "paper"), theirs))
    methods = list(dict.fromkeys((*scores.settings.methods, *published)))
    title = f"{task_label(task)}: ours and the published values"
    return method_table(f"paper_{task}", title, columns, ["Published: arXiv:2210.01241, table 3."], methods)


def _point(value: float | None) -> Interval | None:
    return None if value is None else Interval(value, value, value, 1, "point")


def _marked(scores: SuiteScores, better: bool | None) -> bool | None:
    """Which way is better where the best is marked, which takes seeds enough to tell methods apart."""
    return better if scores.settings.tells_methods_apart else None


def _spread_note(scores: SuiteScores, along: str = "column") -> str:
    n = len(scores.settings.seeds)
    if n == 1:
        return f"One seed: no interval, and no method is marked as the best of a {along}."
    if n < MIN_SEEDS:
        return (
            f"Mean over {n} seeds (lowest and highest in brackets: the range of these runs, not an interval that "
            f"another would fall into). {n} seeds cannot tell methods apart; the best of a {along} is marked from "
            f"{MIN_SEEDS} on."
        )
    level = f"{scores.settings.level:.0%}"
    return f"Mean over {n} seeds ± half its {level} Student-t interval; the best mean of a {along} in bold."


def _average_note(settings: SuiteSettings) -> str:
    n_tasks, n_seeds = len(settings.tasks), len(settings.seeds)
    few = "" if n_seeds >= MIN_SEEDS else " It speaks of these runs; of other seeds it says too little."
    return (
        f"Average: main metrics scaled by the constants of params/grue.yaml, mean over {n_tasks} tasks, with a "
        f"{settings.level:.0%} interval of a bootstrap stratified by task over seeds and test samples "
        f"({settings.n_resamples} resamples, n = {n_tasks * n_seeds} runs a method).{few}"
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
