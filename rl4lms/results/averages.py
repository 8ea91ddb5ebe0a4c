"""A method's score over all tasks: metrics brought to 0..1 by constants, averaged, with a stratified bootstrap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rl4lms.core.seeding import numpy_generator
from rl4lms.results.scores import SuiteScores
from rl4lms.results.statistics import Interval, seeds_interval, stratified_interval

Floats = NDArray[np.float64]


def task_scores(scores: SuiteScores, task: str, method: str) -> Floats:
    """(seeds, samples) normalised main metric; one column where it has only a corpus value."""
    metric = scores.settings.main_metrics[task]
    scale = scores.settings.scales[metric]
    if scale.log:  # the logarithm of a mean is not the mean of logarithms: scale the corpus value
        return scale.normalise(np.array(scores.values(task, method, metric))[:, None])
    return scale.normalise(scores.table(task, method, metric))


def naturalness_scores(scores: SuiteScores, task: str, method: str) -> Floats | None:
    """(seeds, 1) mean of the task's normalised naturalness metrics; None for a task that measures none."""
    columns = [
        scores.settings.scales[metric].normalise(values)
        for metric in scores.settings.naturalness
        if (values := scores.values(task, method, metric)) is not None
    ]
    return np.mean(columns, axis=0)[:, None] if columns else None


def naturalness_interval(scores: SuiteScores, task: str, method: str) -> Interval | None:
    """A task's naturalness score over seeds."""
    table = naturalness_scores(scores, task, method)
    return None if table is None else seeds_interval(table[:, 0], level=scores.settings.level)


def task_average(scores: SuiteScores, method: str) -> Interval:
    """Mean over tasks of the normalised main metric."""
    return _average(scores, method, "task", [task_scores(scores, task, method) for task in scores.settings.tasks])


def naturalness_average(scores: SuiteScores, method: str) -> Interval | None:
    """Mean over tasks of the naturalness score; None where no task measures any."""
    tables = [naturalness_scores(scores, task, method) for task in scores.settings.tasks]
    measured = [table for table in tables if table is not None]
    return _average(scores, method, "naturalness", measured) if measured else None


def average_intervals(scores: SuiteScores) -> dict[str, dict[str, Interval]]:
    """What the summary shows: title -> method -> average; naturalness only where every method has it."""
    methods = scores.settings.methods
    shown = {"Task metrics": {method: task_average(scores, method) for method in methods}}
    naturalness = {method: naturalness_average(scores, method) for method in methods}
    if measured := {method: average for method, average in naturalness.items() if average is not None}:
        shown |= {"Naturalness metrics": measured} if len(measured) == len(methods) else {}
    return shown


def _average(scores: SuiteScores, method: str, kind: str, strata: list[Floats]) -> Interval:
    settings = scores.settings
    rng = numpy_generator(settings.bootstrap_seed, "average", kind, method)
    return stratified_interval(strata, level=settings.level, n_resamples=settings.n_resamples, rng=rng)


def without_sample_scores(scores: SuiteScores) -> list[str]:
    """Tasks whose main metric has only a corpus value: the bootstrap can resample only their seeds."""
    settings = scores.settings
    return [
        task
        for task in settings.tasks
        if all(task_scores(scores, task, method).shape[1] == 1 for method in settings.methods)
        and scores.runs[task, settings.methods[0], settings.seeds[0]].n > 1
    ]
