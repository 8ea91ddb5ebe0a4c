"""What a suite's tables and plots are about: its tasks, methods, seeds, and the constants that scale each metric."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rl4lms.config.compose import BASELINES, SUPERVISED, algorithm_of, methods, starting_point
from rl4lms.config.labels import in_order
from rl4lms.config.params import Params
from rl4lms.config.params_schema import PublishedParams
from rl4lms.core.errors import ConfigError, DataError, unknown
from rl4lms.core.result_keys import REWARD
from rl4lms.tasks.task import task_of

# Below, seeds say too little to tell methods apart: a t interval over them is wider than any score, so the range is
# shown instead, and nothing is marked as the best.
MIN_SEEDS = 5

SHOWN_SEEDS = 10  # that have a line, a marker or a row of their own: more would be a crowd, and megabytes

MAX_CONTRASTS = 8  # of the primary family: each more of them makes all of them harder to find

RunKey = tuple[str, str, int]  # task, method, seed


@dataclass(frozen=True)
class MetricScale:
    """Constant bounds of a metric: score = (value - worst) / (best - worst), of the logarithms where `log`.

    Never taken from the rows shown, so that a score does not depend on which methods stand beside it; not clipped.
    """

    worst: float
    best: float
    log: bool = False

    @property
    def higher_is_better(self) -> bool:
        return self.best > self.worst

    def normalise(self, values: ArrayLike) -> NDArray[np.float64]:
        """Scores of `values`, same shape. Raises DataError for a value without a logarithm where `log`."""
        worst, best = self.transformed([self.worst, self.best])
        scores: NDArray[np.float64] = (self.transformed(values) - worst) / (best - worst)
        return scores

    def transformed(self, values: ArrayLike) -> NDArray[np.float64]:
        """`values`, or their logarithms where `log`."""
        array = np.asarray(values, dtype=np.float64)
        if not self.log:
            return array
        if (array <= 0).any():
            raise DataError(f"normalisation: {float(array.min())} has no logarithm; expected a value above 0.")
        # numpy's logarithm takes another kernel, and other last digits, on CPUs with AVX-512.
        logarithms: NDArray[np.float64] = np.array([math.log(value) for value in array.flat]).reshape(array.shape)
        return logarithms

    def restored(self, transformed: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values that `transformed` would make these numbers of, same shape."""
        if not self.log:
            return transformed
        return np.array([math.exp(value) for value in transformed.flat]).reshape(transformed.shape)


RAW = MetricScale(0.0, 1.0)


@dataclass(frozen=True)
class Contrast:
    """A question of the primary family: does `method` gain more than `against`?"""

    name: str
    method: str
    against: str
    question: str


@dataclass(frozen=True)
class SuiteSettings:
    """The numbers of params/ that aggregation reads, checked against each other.

    main_metrics: task -> result key. scales: result key -> its constants. naturalness: result keys of the naturalness
    metrics, in the order of params/grue.yaml. published: what others measured (`rl4lms.results.published`).
    gain_scales: task -> the gain of its main metric that counts as 1. contrasts: the primary family.
    """

    suite: str
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    main_metrics: Mapping[str, str]
    scales: Mapping[str, MetricScale]
    naturalness: tuple[str, ...]
    n_resamples: int
    level: float
    bootstrap_seed: int
    published: tuple[PublishedParams, ...] = ()
    gain_scales: Mapping[str, float] = field(default_factory=dict)
    contrasts: tuple[Contrast, ...] = ()

    @classmethod
    def from_params(cls, params: Params) -> SuiteSettings:
        """Raises ConfigError for a main metric without a scale, a scale without a width, or an unsound contrast."""
        grue = params.grue()
        aggregate, where = grue["aggregate"], f"{params.directory}/grue.yaml: aggregate.metrics"
        main_metrics = {task: params.task(task)["evaluation"]["main_metric"] for task in grue["tasks"]}
        entries, scales = _metric_entries(params), metric_scales(params)
        for task, key in main_metrics.items():
            if key not in scales:
                raise ConfigError(unknown("metric", key, scales, f"{where}: main metric of task {task}"))
        suite_methods = tuple(methods(in_order(grue["algs"]), grue["baselines"], grue["starts"]))
        return cls(
            suite=grue["suite"],
            tasks=tuple(grue["tasks"]),
            methods=suite_methods,
            seeds=tuple(grue["seeds"]),
            main_metrics=main_metrics,
            scales=scales,
            naturalness=tuple(k for k, entry in entries.items() if entry["kind"] == "naturalness"),
            n_resamples=aggregate["bootstrap"]["n_resamples"],
            level=aggregate["bootstrap"]["confidence"],
            bootstrap_seed=aggregate["bootstrap"].get("seed", 0),
            published=tuple(PublishedParams(**each) for each in aggregate["published"]),
            gain_scales=_gain_scales(aggregate["gain_scale"], params),
            contrasts=_contrasts(aggregate["contrasts"], suite_methods, params),
        )

    @property
    def runs(self) -> list[RunKey]:
        return list(itertools.product(self.tasks, self.methods, self.seeds))

    @property
    def shown_seeds(self) -> tuple[int, ...]:
        """Those that have a line, a marker or a row of their own where every seed of few would have one."""
        return self.seeds[:SHOWN_SEEDS]

    @property
    def which_seeds(self) -> str:
        """What to call `shown_seeds` in a sentence."""
        n = len(self.seeds)
        return "each seed" if n <= SHOWN_SEEDS else f"each of the first {SHOWN_SEEDS} of {n} seeds"

    @property
    def rl_methods(self) -> tuple[str, ...]:
        return tuple(method for method in self.methods if algorithm_of(method) is not None)

    @property
    def warm_methods(self) -> tuple[str, ...]:
        """The warm start, and the methods that start from it."""
        return tuple(m for m in self.methods if m == SUPERVISED or starting_point(m) == SUPERVISED)

    def gain_scale(self, task: str) -> float:
        """The gain of the task's main metric (of its logarithm, where its scale is one) that counts as 1."""
        worst, best = (scale := self.scales[self.main_metrics[task]]).transformed([scale.worst, scale.best])
        return self.gain_scales.get(task, abs(float(best - worst)))

    def gains(self, task: str, values: ArrayLike, starts: ArrayLike) -> NDArray[np.float64]:
        """How much better the task's main metric is than at the start, in units of `gain_scale`; same shape."""
        scale = self.scales[self.main_metrics[task]]
        unit = self.gain_scale(task) * (1.0 if scale.higher_is_better else -1.0)
        better: NDArray[np.float64] = (scale.transformed(values) - scale.transformed(starts)) / unit
        return better

    @property
    def tells_methods_apart(self) -> bool:
        """Whether there are seeds enough to call a method the best, or a gain a method's."""
        return len(self.seeds) >= MIN_SEEDS

    def higher_is_better(self, metric: str) -> bool | None:
        """None for a metric without a scale: no direction is known."""
        if metric == REWARD:
            return True
        return self.scales[metric].higher_is_better if metric in self.scales else None


def metric_scales(params: Params) -> dict[str, MetricScale]:
    """Result key -> its constants, of the suite and of its tasks. Raises ConfigError for a scale without a width."""
    where = f"{params.directory}/grue.yaml: aggregate.metrics"
    return {key: _scale(entry, f"{where}.{key}") for key, entry in _metric_entries(params).items()}


def _metric_entries(params: Params) -> dict[str, Any]:
    """Those that the suite's tasks have of their own; what params/grue.yaml says of a metric wins."""
    grue = params.grue()
    for task in grue["tasks"]:
        params.task(task)  # by which a task of a user's module is known
    own = {key: asdict(bounds) for task in grue["tasks"] for key, bounds in task_of(task).bounds.items()}
    return {**own, **grue["aggregate"]["metrics"]}


def _scale(entry: Mapping[str, float | bool], where: str) -> MetricScale:
    scale = MetricScale(float(entry["worst"]), float(entry["best"]), bool(entry.get("log", False)))
    if scale.worst == scale.best:
        raise ConfigError(f"{where}: worst and best are both {scale.best}; expected two different numbers.")
    if scale.log and min(scale.worst, scale.best) <= 0:
        raise ConfigError(f"{where}: worst {scale.worst}, best {scale.best}; expected numbers above 0 with log: true.")
    return scale


def _gain_scales(given: Mapping[str, float], params: Params) -> dict[str, float]:
    for task in given:
        if task not in (known := params.tasks()):
            raise ConfigError(unknown("task", task, known, f"{params.directory}/grue.yaml: aggregate.gain_scale"))
    return dict(given)


def _contrasts(
    given: Sequence[Mapping[str, str]], suite_methods: Sequence[str], params: Params
) -> tuple[Contrast, ...]:
    """Those of whose two methods the suite has both; a method that no suite could have is refused."""
    where, names = f"{params.directory}/grue.yaml: aggregate.contrasts", [entry["name"] for entry in given]
    known = methods(params.algs(), BASELINES)
    if len(given) > MAX_CONTRASTS:
        raise ConfigError(f"{where}: {len(given)} contrasts; expected at most {MAX_CONTRASTS}.")
    for entry in given:
        name = entry["name"]
        if names.count(name) > 1:
            raise ConfigError(f"{where}: {name} is there twice; name it once.")
        for key in ("method", "against"):
            if entry[key] not in known:
                raise ConfigError(unknown("method", entry[key], known, f"{where}: {name}.{key}"))
        if entry["method"] == entry["against"]:
            raise ConfigError(f"{where}: {name}: {entry['method']} against itself; expected two methods.")
    return tuple(Contrast(**entry) for entry in given if {entry["method"], entry["against"]} <= set(suite_methods))
