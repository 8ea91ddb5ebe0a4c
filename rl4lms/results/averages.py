"""A method's score over all tasks: metrics brought to 0..1 by constants, averaged, with an interval over seeds."""

from __future__ import annotations

import numpy as np

from rl4lms.results.scores import SuiteScores
from rl4lms.results.seed_statistics import stratified_mean
from rl4lms.results.statistics import Floats, Interval, seeds_interval


def task_scores(scores: SuiteScores, method: str) -> Floats:
    """(tasks, seeds) normalised main metrics."""
    main = scores.settings.main_metrics
    scales = {task: scores.settings.scales[metric] for task, metric in main.items()}
    return np.stack([scales[task].normalise(scores.values(task, method, main[task]) or ()) for task in main])


def naturalness_scores(scores: SuiteScores, task: str, method: str) -> Floats | None:
    """(seeds,) mean of the task's normalised naturalness metrics; None for a task that measures none."""
    columns = [
        scores.settings.scales[metric].normalise(values)
        for metric in scores.settings.naturalness
        if (values := scores.values(task, method, metric)) is not None
    ]
    return np.mean(columns, axis=0) if columns else None


def naturalness_interval(scores: SuiteScores, task: str, method: str) -> Interval | None:
    """A task's naturalness score over seeds."""
    values = naturalness_scores(scores, task, method)
    return None if values is None else seeds_interval(values, level=scores.settings.level)


def task_average(scores: SuiteScores, method: str) -> Interval:
    """Mean over tasks of the normalised main metric."""
    return stratified_mean(task_scores(scores, method), level=scores.settings.level)


def measured_naturalness(scores: SuiteScores, method: str) -> Floats | None:
    """(tasks, seeds) naturalness scores of the tasks that measure any; None where none does."""
    rows = [naturalness_scores(scores, task, method) for task in scores.settings.tasks]
    measured = [row for row in rows if row is not None]
    return np.stack(measured) if measured else None


def naturalness_average(scores: SuiteScores, method: str) -> Interval | None:
    """Mean over tasks of the naturalness score; None where no task measures any."""
    measured = measured_naturalness(scores, method)
    return None if measured is None else stratified_mean(measured, level=scores.settings.level)


def average_intervals(scores: SuiteScores) -> dict[str, dict[str, Interval]]:
    """What the summary shows: title -> method -> average; naturalness only where every method has it."""
    methods = scores.settings.methods
    shown = {"Task metrics": {method: task_average(scores, method) for method in methods}}
    naturalness = {method: naturalness_average(scores, method) for method in methods}
    if measured := {method: average for method, average in naturalness.items() if average is not None}:
        shown |= {"Naturalness metrics": measured} if len(measured) == len(methods) else {}
    return shown
