"""Does a method improve on what it started from? Paired tests over the test samples, for every task and seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rl4lms.config.compose import SUPERVISED, ZERO_SHOT, starting_point
from rl4lms.core.errors import DataError
from rl4lms.core.result_keys import REWARD
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.bootstrap import PairedTest, paired_test
from rl4lms.results.scores import RunScores, SuiteScores

ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """A run beside the run of the same seed that it started from.

    gain: how much better the run is, positive whichever way the metric runs. test: of the scores per sample; None
    for a metric that has none.
    """

    task: str
    method: str
    start: str
    seed: int
    metric: str
    value: float
    start_value: float
    gain: float
    test: PairedTest | None

    @property
    def better(self) -> bool:
        return self.gain > 0

    @property
    def significant(self) -> bool:
        """Better, by the mean over samples as well, with a two-sided p-value below 0.05."""
        test = self.test
        return self.better and test is not None and test.difference > 0 and test.p_two_sided < ALPHA

    @property
    def tests_the_gain(self) -> bool:
        """Whether it is the mean of the gains per sample. Of corpus BLEU it is not: the test is of another mean."""
        return self.test is not None and math.isclose(self.test.difference, self.gain, rel_tol=1e-6, abs_tol=1e-9)


def compare_seeds(scores: SuiteScores, task: str, method: str, start: str, metric: str) -> list[Comparison]:
    """One comparison per seed. Raises DataError where the runs were not scored on the same samples."""
    pairs = zip(scores.of(task, method), scores.of(task, start), strict=True)
    return [_compare(scores, run, base, metric) for run, base in pairs]


def _compare(scores: SuiteScores, run: RunScores, base: RunScores, metric: str) -> Comparison:
    for each in (run, base):
        if metric not in each.metrics:
            raise DataError(f"run {each.name}: no value for {metric}; evaluate it again.")
    sign = -1.0 if scores.settings.higher_is_better(metric) is False else 1.0
    value, start_value = run.metrics[metric], base.metrics[metric]
    return Comparison(
        task=run.task,
        method=run.method,
        start=base.method,
        seed=run.seed,
        metric=metric,
        value=value,
        start_value=start_value,
        gain=sign * (value - start_value),
        test=_test(scores, run, base, metric, sign),
    )


def _test(scores: SuiteScores, run: RunScores, base: RunScores, metric: str, sign: float) -> PairedTest | None:
    ours, theirs = run.per_sample(metric), base.per_sample(metric)
    if ours is None or theirs is None:
        return None
    if [row["sample_id"] for row in run.predictions] != [row["sample_id"] for row in base.predictions]:
        raise DataError(
            f"runs {run.name} and {base.name}: scored on different samples; evaluate both on the same data."
        )
    settings = scores.settings
    rng = numpy_generator(settings.bootstrap_seed, "paired", run.task, run.method, base.method, run.seed, metric)
    return paired_test(sign * ours, sign * theirs, level=settings.level, n_resamples=settings.n_resamples, rng=rng)


def reward_comparisons(scores: SuiteScores) -> list[Comparison]:
    """The reward of every RL run against its starting point's."""
    return [
        comparison
        for task in scores.settings.tasks
        for method in scores.settings.rl_methods
        for comparison in compare_seeds(scores, task, method, starting_point(method), REWARD)
    ]


def supervised_comparisons(scores: SuiteScores) -> list[Comparison]:
    """Each task's main metric after supervised training against the base model's."""
    main = scores.settings.main_metrics
    return [c for task in scores.settings.tasks for c in compare_seeds(scores, task, SUPERVISED, ZERO_SHOT, main[task])]


def tasks_where(comparisons: Iterable[Comparison], tasks: Sequence[str], *, significant: bool) -> list[str]:
    """Tasks on which every comparison is a gain (a significant one), for every method and seed."""
    failed = {c.task for c in comparisons if not (c.significant if significant else c.better)}
    return [task for task in tasks if task not in failed]
