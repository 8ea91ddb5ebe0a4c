"""Methods of several seeds each beside one other: how far their runs differ, and what of that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl4lms.core.errors import ConfigError
from rl4lms.core.result_keys import N_SAMPLES
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.run_directory import SPLITS, RunDirectory
from rl4lms.results.run_groups import RunGroup, grouped
from rl4lms.results.score_differences import LEVEL, SplitScores, paired_samples
from rl4lms.results.seed_statistics import effect_size, improvement
from rl4lms.results.sign_flips import PairedTest, detectable_factor, paired_tests
from rl4lms.results.statistics import ALPHA, Floats, Interval, holm, seeds_interval
from rl4lms.results.suite import MIN_SEEDS


@dataclass(frozen=True)
class MethodDifference:
    """One metric of two methods A and B.

    a, b: over all seeds of each, with their range, or from five seeds on their t interval; difference: of A - B of the
    same seed, in the same way, None without a common seed; higher: the chance that a run of A scores more than one of B
    (Mann-Whitney, a tie is half of one); effect: Hedges' g, None where no two seeds differ or there is one;
    samples: of A - B per sample, each the mean of the common seeds, tested over the samples that all these runs have,
    None without such scores; samples_p: its p-value; seeds: the test of A - B over seeds, None below five common seeds;
    seeds_p: its p-value. Both p-values are adjusted by Holm's method for all metrics of the comparison. detectable:
    the true difference that the test over seeds finds with power 80 %, None where it can find none.
    """

    metric: str
    a: Interval
    b: Interval
    difference: Interval | None
    higher: float
    effect: float | None
    samples: PairedTest | None
    samples_p: float | None
    seeds: PairedTest | None
    seeds_p: float | None
    detectable: float | None

    @property
    def is_equal(self) -> bool:
        """Whether no run of either scores anything else."""
        return self.a.low == self.a.high == self.b.low == self.b.high

    @property
    def models_verdict(self) -> str:
        """Of these models, on other samples: "a higher", "a lower", "no" (it may be chance), or "" (not tested)."""
        return _verdict(self.samples, self.samples_p)

    @property
    def methods_verdict(self) -> str:
        """Of the methods, with other seeds; "" below five common seeds."""
        return _verdict(self.seeds, self.seeds_p)


@dataclass(frozen=True)
class MethodComparison:
    """A method against the baseline of its task. paired: the seeds that both have; n_paired: samples all runs of them
    have, with the same prompt."""

    task: str
    a: str
    b: str
    split: str
    seeds_a: tuple[int, ...]
    seeds_b: tuple[int, ...]
    paired: tuple[int, ...]
    n_paired: int
    rows: tuple[MethodDifference, ...]

    def to_dict(self) -> dict[str, Any]:
        found = asdict(self)
        for row, of in zip(found["rows"], self.rows, strict=True):
            row |= {"models_verdict": of.models_verdict, "methods_verdict": of.methods_verdict}
        return found


def compared_methods(
    runs: Sequence[Path], against: Sequence[Path], split: str | None = None, *, n_flips: int = 10_000, seed: int = 0
) -> list[MethodComparison]:
    """Every method among `runs` against the one of its task among `against`.

    split, n_flips, seed: as `comparison.compared` takes them. Raises ConfigError where a task has no method or several
    to be compared against, DataError for runs without scores of one split.
    """
    groups = grouped([*runs, *against])
    theirs = {run.run.resolve() for group in grouped(against) for run in group.runs.values()}
    sides: dict[bool, list[RunGroup]] = {False: [], True: []}
    for group in groups:
        of_baseline = {run.run.resolve() in theirs for run in group.runs.values()}
        if len(of_baseline) > 1:
            raise ConfigError(f"{group.label}: runs of one configuration are on both sides; put all of them on one.")
        sides[of_baseline.pop()].append(group)
    baselines: dict[str, RunGroup] = {}
    for group in sides[True]:
        if other := baselines.get(group.task):
            task = f" of {group.task}" if group.task else ""
            raise ConfigError(f"--against: two methods{task}, {other.label} and {group.label}; expected one a task.")
        baselines[group.task] = group
    found = []
    for group in sides[False]:
        if group.task not in baselines:
            known = ", ".join(baselines) or "none"
            raise ConfigError(f"--against: no run of the task {group.task}, which {group.label} is of; found: {known}.")
        found.append(_compared(group, baselines[group.task], split, n_flips, seed))
    return found


def _compared(a: RunGroup, b: RunGroup, wanted: str | None, n_flips: int, seed: int) -> MethodComparison:
    split = _split([*a.runs.values(), *b.runs.values()], wanted)
    ours, theirs = ({s: SplitScores.read(run, split) for s, run in group.runs.items()} for group in (a, b))
    paired = tuple(s for s in ours if s in theirs)
    every = [*ours.values(), *theirs.values()]
    names = [name for name in every[0].metrics if name != N_SAMPLES and all(name in each.metrics for each in every)]
    both = [side[s] for s in paired for side in (ours, theirs)]
    samples = paired_samples(both) if both else []

    of_samples = {
        name: np.mean([ours[s].of(name, samples) - theirs[s].of(name, samples) for s in paired], axis=0)
        for name in names
        if samples and all(name in each.columns for each in both)
    }
    of_seeds = {name: np.array([ours[s].metrics[name] - theirs[s].metrics[name] for s in paired]) for name in names}
    over_seeds = of_seeds if len(paired) >= MIN_SEEDS else {}
    tests = [_tests(gaps, n_flips, seed, key) for gaps, key in ((of_samples, "samples"), (over_seeds, "seeds"))]
    factor = detectable_factor(len(paired), ALPHA, n_flips, seed) if over_seeds else math.inf
    rows = []
    for name in sorted(names, key=lambda name: name not in of_samples):
        one, other = (np.array([[each.metrics[name] for each in side.values()]]) for side in (ours, theirs))
        (samples_test, samples_p), (seeds_test, seeds_p) = (found.get(name, (None, None)) for found in tests)
        rows.append(MethodDifference(
            name, seeds_interval(one[0], level=LEVEL), seeds_interval(other[0], level=LEVEL),
            seeds_interval(of_seeds[name], level=LEVEL) if paired else None, float(improvement(one, other)[0]),
            _effect(one, other), samples_test, samples_p, seeds_test, seeds_p,
            None if math.isinf(factor) else factor * float(of_seeds[name].std(ddof=1)),
        ))  # fmt: skip
    return MethodComparison(a.task, a.label, b.label, split, (*ours,), (*theirs,), paired, len(samples), tuple(rows))


def _split(runs: Sequence[RunDirectory], wanted: str | None) -> str:
    """`wanted`, or test where all runs have it, else val. Raises ConfigError naming a run without it."""
    for split in SPLITS if wanted is None else (wanted,):
        missing = [run for run in runs if split not in run.splits]
        if not missing:
            return split
    known = ", ".join(missing[0].splits) or "none"
    raise ConfigError(f"{missing[0].scores}: no scores of the split {split}; there are: {known}.")


def _tests(gaps: dict[str, Floats], n_flips: int, seed: int, key: str) -> dict[str, tuple[PairedTest, float]]:
    """Metric -> the test of its differences, and the p-value adjusted for all metrics."""
    if not gaps:
        return {}
    rng = numpy_generator(seed, "compare", key, len(next(iter(gaps.values()))))
    found = dict(zip(gaps, paired_tests(list(gaps.values()), level=LEVEL, n_flips=n_flips, rng=rng), strict=True))
    adjusted = holm({name: test.p for name, test in found.items()})
    return {name: (test, adjusted[name]) for name, test in found.items()}


def _effect(one: Floats, other: Floats) -> float | None:
    """Hedges' g of (1, seeds) scores of each; of other numbers of seeds only where both have as many."""
    size = effect_size(one, other) if one.shape == other.shape else math.nan
    return None if math.isnan(size) else size


def _verdict(test: PairedTest | None, p: float | None) -> str:
    if test is None or p is None:
        return ""
    if p >= ALPHA:
        return "no"
    return "a higher" if test.difference > 0 else "a lower"
