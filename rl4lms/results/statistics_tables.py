"""The tables of what methods gain over their warm start: estimates, the primary family of contrasts, all pairs."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from rl4lms.config.labels import STATISTICS, method_label, task_label
from rl4lms.results.normalised_gains import ALL_TASKS, ESTIMATES, SuiteStatistics
from rl4lms.results.sign_flips import EXACT, POWER
from rl4lms.results.suite import MIN_SEEDS, SuiteSettings
from rl4lms.results.table import NOT_MEASURED, Cell, Column, MethodColumn, Table, decimals, method_table


def statistics_tables(statistics: SuiteStatistics, settings: SuiteSettings) -> list[Table]:
    """Nothing where no method starts from the warm start, which leaves nothing to compare."""
    tables = [contrasts_table(statistics, settings)]
    if len(settings.warm_methods) > 1:
        tables = [gains_table(statistics, settings), *tables, improvement_table(statistics, settings)]
    return tables


def gains_table(statistics: SuiteStatistics, settings: SuiteSettings) -> Table:
    columns = [MethodColumn(Column(name, STATISTICS[name]), statistics.intervals(name)) for name in ESTIMATES]
    for task in settings.tasks:
        head = Column(task, task_label(task), f"1 is {settings.gain_scale(task):.3g}")
        columns.append(MethodColumn(head, statistics.intervals("mean", task)))
    n_tasks, n_seeds = len(settings.tasks), len(settings.seeds)
    notes = [
        "Gain: the task's main metric minus that of the supervised run of the same seed, over the constant of the task "
        "in its head (aggregate.gain_scale in params/grue.yaml; else best - worst of the metric).",
        f"Over {n_tasks} tasks x {n_seeds} seeds with {settings.level:.0%} intervals (± half a t interval from the "
        "scatter of seeds within tasks; of the median a pivotal one): of these tasks, and other seeds. Ranks are among "
        "these methods. Nothing here is in bold: an interval is no comparison of two methods.",
    ]
    return method_table("gains", "Normalised gain over the warm start", columns, notes, settings.methods)


def contrasts_table(statistics: SuiteStatistics, settings: SuiteSettings) -> Table:
    """A row per question of the primary family."""
    heads = (
        Column("question", "Question", numeric=False),
        Column("contrast", "Contrast", numeric=False),
        Column("difference", "Difference of gains"),
        Column("effect_size", "Hedges' g"),
        Column("improvement", "P(improvement)"),
        Column("p", "p"),
        Column("p_holm", "p", "Holm"),
        Column("detectable", "Detectable", f"power {POWER:.0%}"),
    )
    family = statistics.contrasts.to_dict("records")
    rows = tuple(_contrast_row(row) for row in family)
    keys = tuple(row["name"] for row in family)
    notes = _contrast_notes(settings) if family else []
    return Table("contrasts", "Contrasts that were fixed beforehand", heads, keys, rows, tuple(notes))


def _contrast_row(row: dict[Any, Any]) -> tuple[Cell, ...]:
    digits = decimals([row["difference"]])
    text = f"{row['difference']:+.{digits}f}"
    low, high = row["low"], row["high"]
    if math.isfinite(low):
        text += f" [{low:+.{digits}f}, {high:+.{digits}f}]"
    found = row["detectable"]
    return (
        Cell(row["question"], row["name"]),
        Cell(f"{method_label(row['method'])} – {method_label(row['against'])}", row["method"]),
        Cell(text, row["difference"], low, high),
        _number(row["effect_size"], "+.2f"),
        _number(row["improvement"], ".2f"),
        _number(row["p"], ".3g"),
        _number(row["p_holm"], ".3g"),
        _number(found, ".3f") if math.isfinite(found) else Cell("none"),
    )


def _number(value: float, form: str) -> Cell:
    return Cell(NOT_MEASURED) if pd.isna(value) else Cell(format(value, form), value)


def _contrast_notes(settings: SuiteSettings) -> list[str]:
    n_tasks, n_seeds, n_tests = len(settings.tasks), len(settings.seeds), len(settings.contrasts)
    n, alpha = n_tasks * n_seeds, 1.0 - settings.level
    smallest = 2.0 ** (1 - n) if n <= EXACT else 2.0 / (settings.n_resamples + 1)
    notes = [
        f"Differences of the same seed, pooled over {n_tasks} tasks x {n_seeds} seeds: p by flipping their signs "
        f"within tasks, two-sided, adjusted by Holm's method for {n_tests} contrasts; the {settings.level:.0%} "
        "interval is the inverted test, for one contrast. Hedges' g: in standard deviations of seeds within tasks. "
        "P(improvement): the chance that a run of the first is above one of the second, mean over tasks.",
        f"Detectable: the true difference that this test finds with power {POWER:.0%} at {alpha / n_tests:.2g}, Holm's "
        f"first step, if differences scatter as they do here; no p of {n} differences is below {smallest:.1g}.",
        "All of it speaks of these tasks; of other tasks it says nothing.",
    ]
    if not settings.tells_methods_apart:
        notes.append(
            f"{n_seeds} seed{'s' * (n_seeds > 1)}: no p is shown, and nothing is claimed of methods, below {MIN_SEEDS}."
        )
    return notes


def improvement_table(statistics: SuiteStatistics, settings: SuiteSettings) -> Table:
    """Row over column, mean over tasks; of single tasks it is in pairs.csv."""
    pairs = statistics.pairs[statistics.pairs["task"] == ALL_TASKS]
    chance = {(row["method"], row["against"]): row["improvement"] for row in pairs.to_dict("records")}
    chance |= {(against, method): 1.0 - p for (method, against), p in chance.items()}
    methods = settings.warm_methods
    heads = (Column("method", "Method", numeric=False), *(Column(m, method_label(m)) for m in methods))
    rows = tuple(
        (Cell(method_label(m), m), *(_number(chance.get((m, other), math.nan), ".2f") for other in methods))
        for m in methods
    )
    notes = (
        "Chance that a run of the row's method gains more than one of the column's, mean over tasks; 0.5 is no "
        "difference. It describes these runs: no pair is tested.",
    )
    return Table("improvement", "Probability of improvement", heads, methods, rows, notes)
