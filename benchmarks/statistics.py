"""How far the statistics of a suite can be trusted: coverage of intervals, false findings, and what is found.

    python -m benchmarks.statistics [--scores docs/results/scores.csv] [--suite mini] [--families 1000]

Simulated runs have the variance components of the real ones, task by task: what seeds of a method scatter, and what all
methods of a seed share. The family of contrasts is the suite's.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from rl4lms.config.compose import SUPERVISED
from rl4lms.config.labels import method_label
from rl4lms.config.params import Params
from rl4lms.core.errors import UserError, report_error
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.normalised_gains import contrast_frame, contrast_p_values, normalised_gains
from rl4lms.results.seed_statistics import interquartile_mean, median_of_tasks, stratified_mean
from rl4lms.results.sign_flips import flip_p_values
from rl4lms.results.statistics import Floats, Interval, holm, percentile_bounds
from rl4lms.results.suite import SuiteSettings

ROOT = Path(__file__).resolve().parents[1]
LEVEL = 0.95
SEEDS = (2, 3, 5, 10)
MAX_SPLITS = 10


@dataclass(frozen=True)
class Components:
    """Of normalised gains. means: (methods, tasks); run, seed: (tasks,) standard deviations, of a run and of what all
    methods of a seed share."""

    methods: tuple[str, ...]
    means: Floats
    run: Floats
    seed: Floats

    @classmethod
    def fitted(cls, gains: Mapping[str, Floats]) -> Components:
        """By the analysis of variance of methods and seeds within each task, over the methods that were trained on.

        Raises UserError for fewer than two of either.
        """
        methods = tuple(method for method in gains if method != SUPERVISED)
        scores = np.stack([gains[method] for method in methods])
        n_methods, _, n_seeds = scores.shape
        if n_methods < 2 or n_seeds < 2:
            raise UserError(f"{n_methods} methods, {n_seeds} seeds: expected at least two of each to fit components.")
        means, by_seed = scores.mean(axis=2), scores.mean(axis=0)
        rest = scores - means[:, :, None] - by_seed + scores.mean(axis=(0, 2))[:, None]
        run = (rest**2).sum(axis=(0, 2)) / ((n_methods - 1) * (n_seeds - 1))
        seed = np.maximum(by_seed.var(axis=1, ddof=1) - run / n_methods, 0.0)
        return cls(methods, means, np.sqrt(run), np.sqrt(seed))

    def simulated(self, n_seeds: int, rng: np.random.Generator, means: Mapping[str, Floats]) -> dict[str, Floats]:
        """Gains of every method around `means` (0 where it has none), and the warm start's, which are 0."""
        shape = (len(self.run), n_seeds)
        shared = self.seed[:, None] * rng.standard_normal(shape)
        drawn = {m: shared + self.run[:, None] * rng.standard_normal(shape) for m in self.methods}
        gains = {m: own + np.atleast_1d(means.get(m, np.zeros(1)))[:, None] for m, own in drawn.items()}
        return {SUPERVISED: np.zeros(shape), **gains}


def coverage(components: Components, n_trials: int) -> Iterator[tuple[str, ...]]:
    """Of the true value by each interval, for a method with the fitted means, and of the mean by rliable's bootstrap.

    The truth is the estimate of 100,000 seeds.
    """
    method, scatter = components.methods[0], np.sqrt(components.run**2 + components.seed**2)
    means = components.means[components.methods.index(method)]
    rng = numpy_generator(0, "coverage")

    def scores(n_seeds: int) -> Floats:
        drawn: Floats = means[:, None] + scatter[:, None] * rng.standard_normal((len(means), n_seeds))
        return drawn

    large = scores(100_000)
    iqm, mean = interquartile_mean(large, level=LEVEL).mean, float(means.mean())
    estimates: dict[str, tuple[Callable[[Floats], Interval], float]] = {
        "interquartile mean": (lambda x: interquartile_mean(x, level=LEVEL), iqm),
        "mean": (lambda x: stratified_mean(x, level=LEVEL), mean),
        "median of tasks": (
            lambda x: median_of_tasks(x, level=LEVEL, n_resamples=1000, rng=rng),
            float(np.median(means)),
        ),
        "mean of one task": (lambda x: stratified_mean(x[:1], level=LEVEL), float(means[0])),
        "mean of one task, percentile bootstrap": (lambda x: _percentile(x[:1], rng), float(means[0])),
        "interquartile mean, percentile bootstrap": (lambda x: _percentile(x, rng, trimmed=True), iqm),
    }
    for name, (estimate, truth) in estimates.items():
        found = {n: [estimate(scores(n)) for _ in range(n_trials)] for n in SEEDS}
        shares = [np.mean([each.low <= truth <= each.high for each in found[n]]) for n in SEEDS]
        yield (name, *(f"{share:.3f}" for share in shares))


def _percentile(scores: Floats, rng: np.random.Generator, *, trimmed: bool = False, n_resamples: int = 400) -> Interval:
    """rliable's interval of the mean or of the interquartile mean."""
    draws = rng.integers(0, scores.shape[1], size=(n_resamples, *scores.shape))
    resampled = np.take_along_axis(scores[None], draws, axis=2).reshape(n_resamples, -1)
    if trimmed:
        cut = scores.size // 4
        resampled = np.sort(resampled, axis=1)[:, cut : scores.size - cut]
    low, high = percentile_bounds(resampled.mean(axis=1), LEVEL)
    return Interval(float(scores.mean()), low, high, scores.size, "bootstrap")


def false_findings(
    components: Components, settings: SuiteSettings, n_families: int, *, tasks_differ: bool
) -> Iterator[tuple[str, ...]]:
    """How often a family has a finding after Holm's method, and a single contrast one before, without any difference.

    tasks_differ: methods are level on average only, better here and worse there as much as the fitted ones are.
    """
    spread = (components.means - components.means.mean(axis=1, keepdims=True)).std()
    for n_seeds in SEEDS:
        suite, family, single = _with_seeds(settings, n_seeds), 0, []
        for i in range(n_families):
            rng = numpy_generator(0, "families", n_seeds, i)
            means = {}
            if tasks_differ:
                drawn = {m: spread * rng.standard_normal(len(components.run)) for m in components.methods}
                means = {method: own - own.mean() for method, own in drawn.items()}
            gains = components.simulated(n_seeds, rng, means)
            p_values = contrast_p_values(gains, replace(suite, bootstrap_seed=i))
            family += min(holm(p_values).values()) <= 1 - LEVEL
            single += [p <= 1 - LEVEL for p in p_values.values()]
        yield str(n_seeds), f"{family / n_families:.3f}", f"{np.mean(single):.3f}"


def power(components: Components, settings: SuiteSettings, n_families: int) -> Iterator[tuple[str, ...]]:
    """How often the difference that one table prints as detectable, planted into new runs, is found in their table."""
    for n_seeds in SEEDS:
        suite = _with_seeds(settings, n_seeds)
        found, printed = 0, []
        for i in range(n_families):
            each, rng = suite.contrasts[i % len(suite.contrasts)], numpy_generator(0, "power", n_seeds, i)
            table = contrast_frame(components.simulated(n_seeds, rng, {}), suite)
            detectable = float(table["detectable"].to_numpy()[i % len(suite.contrasts)])
            printed.append(detectable)
            planted = {each.method: np.full(len(components.run), detectable)}
            p_values = contrast_p_values(components.simulated(n_seeds, rng, planted), replace(suite, bootstrap_seed=i))
            found += p_values[each.name] * len(p_values) <= 1 - LEVEL  # Holm's first step, whatever the others have
        yield str(n_seeds), f"{np.median(printed):.3f}", f"{found / n_families:.3f}"


def seed_splits(gains: Mapping[str, Floats], n_flips: int) -> Iterator[tuple[str, ...]]:
    """p of "no difference" between halves of the seeds of one method, of which there is none but chance."""
    for method, scores in gains.items():
        n_seeds = scores.shape[1]
        halves = [h for h in itertools.combinations(range(n_seeds), n_seeds // 2) if n_seeds % 2 or 0 in h]
        p_values = []
        for half in halves[:MAX_SPLITS] if np.any(scores) else ():
            rest = [seed for seed in range(n_seeds) if seed not in half][: len(half)]
            gaps = (scores[:, list(half)] - scores[:, rest]).reshape(1, -1)
            p_values.append(float(flip_p_values(gaps, n_flips, numpy_generator(0, "splits"))[0]))
        if p_values:
            low = sum(p <= 1 - LEVEL for p in p_values)
            yield method_label(method), str(len(p_values)), f"{min(p_values):.3f}", str(low)


def _with_seeds(settings: SuiteSettings, n_seeds: int) -> SuiteSettings:
    return replace(settings, seeds=tuple(range(n_seeds)))


def settings_of(frame: pd.DataFrame, suite: str) -> SuiteSettings:
    """The suite's settings for the tasks, methods and seeds that a table of scores has."""
    settings = SuiteSettings.from_params(Params.open(ROOT / "params", suite))
    had = {key: list(dict.fromkeys(frame[key])) for key in ("task", "method", "seed")}
    methods = tuple(had["method"])
    contrasts = tuple(each for each in settings.contrasts if {each.method, each.against} <= set(methods))
    main = {task: settings.main_metrics[task] for task in had["task"]}
    seeds = tuple(map(int, had["seed"]))
    return replace(settings, tasks=tuple(main), main_metrics=main, methods=methods, seeds=seeds, contrasts=contrasts)


def show(title: str, heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
    print(f"\n{title}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scores", type=Path, default=ROOT / "docs" / "results" / "scores.csv", help="a long table")
    parser.add_argument("--suite", default="mini", help="whose constants and contrasts (default: %(default)s)")
    parser.add_argument("--families", type=int, default=1000, help="simulated ones (default: %(default)s)")
    args = parser.parse_args(arguments)
    try:
        frame = pd.read_csv(args.scores)
        settings = settings_of(frame, args.suite)
        gains = normalised_gains(frame, settings)
        components = Components.fitted({method: gains[method] for method in settings.warm_methods})
    except UserError as error:
        return report_error(error)
    n_tasks, family = len(settings.tasks), len(settings.contrasts)
    print(f"{args.scores.name}: {n_tasks} tasks, {len(settings.seeds)} seeds, {family} contrasts")
    rows = zip(settings.tasks, components.run, components.seed, strict=True)
    spread = ((task, f"{run:.3f}", f"{seed:.3f}") for task, run, seed in rows)
    show("Standard deviations of the gain", ("task", "of a run", "shared by a seed"), spread)
    columns: tuple[str, ...] = ("interval", *(f"{n} seeds" for n in SEEDS))
    show(f"Coverage, nominal {LEVEL}", columns, coverage(components, args.families))
    heads = ("seeds", "families with a finding", "single tests with one")
    n = args.families
    show("No method differs", heads, false_findings(components, settings, n, tasks_differ=False))
    show("Methods are level on average only", heads, false_findings(components, settings, n, tasks_differ=True))
    heads = ("seeds", "printed as detectable (median)", "found where planted")
    show("Power", heads, power(components, settings, n))
    columns = ("method", "splits", "smallest p", f"p <= {1 - LEVEL:.2f}")
    show("Halves of the seeds of one method, real runs", columns, seed_splits(gains, settings.n_resamples))
    return 0


if __name__ == "__main__":
    sys.exit(main())
