"""The metric `reward`: a run's own reward, scored on its validation and test texts."""

from __future__ import annotations

from typing import Any

from rl4lms.core.errors import ConfigError
from rl4lms.core.result_keys import REWARD
from rl4lms.metrics.base import BaseMetric, MetricResult


class RunReward(BaseMetric):
    """A name in the list of metrics; the evaluation of a run, which has the reward, computes it (`SplitEvaluation`).

    Its results are `reward` and, of a weighted sum, `reward_<name>` for each of its rewards before weighting.
    """

    key = REWARD

    def compute(self, *texts: Any, **more: Any) -> MetricResult:
        raise ConfigError('metric reward: is that of a run with a reward_fn; here, name one of "meteor", "rouge", ...')
