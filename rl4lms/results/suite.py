"""What a suite's tables and plots are about: its tasks, methods, seeds, and the constants that scale each metric."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rl4lms.config.compose import algorithm_of, methods
from rl4lms.config.labels import in_order
from rl4lms.config.params import Params
from rl4lms.core.errors import ConfigError, DataError, unknown
from rl4lms.core.result_keys import REWARD
from rl4lms.tasks.task import task_of

# Below, seeds say too little to tell methods apart: a t interval over them is wider than any score, so the range is
# shown instead, and nothing is marked as the best.
MIN_SEEDS = 5

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
        array = np.asarray(values, dtype=np.float64)
        worst, best = self.worst, self.best
        if self.log:
            if (array <= 0).any():
                raise DataError(f"normalisation: {float(array.min())} has no logarithm; expected a value above 0.")
            # numpy's logarithm takes another kernel, and other last digits, on CPUs with AVX-512.
            array = np.array([math.log(value) for value in array.flat]).reshape(array.shape)
            worst, best = math.log(worst), math.log(best)
        return (array - worst) / (best - worst)


@dataclass(frozen=True)
class SuiteSettings:
    """The numbers of params/ that aggregation reads, checked against each other.

    main_metrics: task -> result key. scales: result key -> its constants. naturalness: result keys of the naturalness
    metrics, in the order of params/grue.yaml. paper: task -> method -> result key -> published value.
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
    paper: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)

    @classmethod
    def from_params(cls, params: Params) -> SuiteSettings:
        """Raises ConfigError for a main metric without a scale, or a scale without a width."""
        grue = params.grue()
        aggregate, where = grue["aggregate"], f"{params.directory}/grue.yaml: aggregate.metrics"
        main_metrics = {task: params.task(task)["evaluation"]["main_metric"] for task in grue["tasks"]}
        entries = {key: asdict(bounds) for task in grue["tasks"] for key, bounds in task_of(task).bounds.items()}
        entries |= aggregate["metrics"]
        scales = {key: _scale(entry, f"{where}.{key}") for key, entry in entries.items()}
        for task, key in main_metrics.items():
            if key not in scales:
                raise ConfigError(unknown("metric", key, scales, f"{where}: main metric of task {task}"))
        return cls(
            suite=grue["suite"],
            tasks=tuple(grue["tasks"]),
            methods=tuple(methods(in_order(grue["algs"]), grue["baselines"], grue["starts"])),
            seeds=tuple(grue["seeds"]),
            main_metrics=main_metrics,
            scales=scales,
            naturalness=tuple(k for k, entry in entries.items() if entry["kind"] == "naturalness"),
            n_resamples=aggregate["bootstrap"]["n_resamples"],
            level=aggregate["bootstrap"]["confidence"],
            bootstrap_seed=aggregate["bootstrap"].get("seed", 0),
            paper=aggregate.get("paper", {}) if grue["suite"] == "paper" else {},
        )

    @property
    def runs(self) -> list[RunKey]:
        return list(itertools.product(self.tasks, self.methods, self.seeds))

    @property
    def rl_methods(self) -> tuple[str, ...]:
        return tuple(method for method in self.methods if algorithm_of(method) is not None)

    @property
    def tells_methods_apart(self) -> bool:
        """Whether there are seeds enough to call a method the best, or a gain a method's."""
        return len(self.seeds) >= MIN_SEEDS

    def higher_is_better(self, metric: str) -> bool | None:
        """None for a metric without a scale: no direction is known."""
        if metric == REWARD:
            return True
        return self.scales[metric].higher_is_better if metric in self.scales else None


def _scale(entry: Mapping[str, float | bool], where: str) -> MetricScale:
    scale = MetricScale(float(entry["worst"]), float(entry["best"]), bool(entry.get("log", False)))
    if scale.worst == scale.best:
        raise ConfigError(f"{where}: worst and best are both {scale.best}; expected two different numbers.")
    if scale.log and min(scale.worst, scale.best) <= 0:
        raise ConfigError(f"{where}: worst {scale.worst}, best {scale.best}; expected numbers above 0 with log: true.")
    return scale
