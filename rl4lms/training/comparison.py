"""Compares the evaluations of a run: which was the best, and whether training still gets better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl4lms.config.sections import EarlyStoppingConfig, KeepBestConfig
from rl4lms.core.errors import ConfigError, unknown

OF_TRAINING = ("rollout/", "train/")  # numbers that there are only after an iteration


class Comparison:
    """What `keep_best` and `early_stopping` remember of a run's evaluations. The untrained model is not compared."""

    def __init__(self, keep_best: KeepBestConfig | None, early_stopping: EarlyStoppingConfig | None) -> None:
        self.keep_best, self.early_stopping = keep_best, early_stopping
        self.best: dict[str, Any] | None = None  # iteration and value of the best evaluation
        self.reference: float | None = None  # the value that an evaluation must be better than
        self.n_without: int = 0  # evaluations since then

    def see(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Compare an evaluation after `epoch` iterations. Raises ConfigError for a metric that it does not have."""
        if (keep := self.keep_best) is not None:
            value = _value(keep, epoch, numbers, "train_evaluation.keep_best.metric")
            if value is not None and (self.best is None or _gain(keep, value, self.best["value"]) > 0):
                self.best = {"iteration": epoch, "value": value}
        if (stop := self.early_stopping) is not None:
            value = _value(stop, epoch, numbers, "train_evaluation.early_stopping.metric")
            if value is None:
                return
            if self.reference is None or _gain(stop, value, self.reference) > stop.min_delta:
                self.reference, self.n_without = value, 0
            else:
                self.n_without += 1

    @property
    def says_stop(self) -> bool:
        return self.early_stopping is not None and self.n_without >= self.early_stopping.patience

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "reference": self.reference, "n_without": self.n_without}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.reference, self.n_without = state["best"], state["reference"], state["n_without"]


def _value(config: KeepBestConfig, epoch: int, numbers: Mapping[str, float], where: str) -> float | None:
    """The number of a metric; None before training."""
    if config.metric not in numbers and not (epoch == 0 and config.metric.startswith(OF_TRAINING)):
        raise ConfigError(unknown("metric", config.metric, numbers, where))
    return float(numbers[config.metric]) if epoch else None


def _gain(config: KeepBestConfig, value: float, before: float) -> float:
    return value - before if config.mode == "max" else before - value
