"""A metric's score of a finished text as its reward, so that no score is written twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.guard import copied
from rl4lms.core.tables import MetricRegistry
from rl4lms.metrics.base import BaseMetric, MetaInfo, MetricResult
from rl4lms.rewards.base import BatchedEpisodeReward, EpisodeReward
from rl4lms.rewards.shaping import Shaping


def pick(result: MetricResult, key: str | None, where: str) -> tuple[list[float] | None, float]:
    """The entry of `key`; without one, the only entry. ConfigError otherwise."""
    if key is None:
        if len(result) != 1:
            raise ConfigError(
                f"{where}: the metric has {len(result)} results; name one as key: {', '.join(sorted(result))}."
            )
        return next(iter(result.values()))
    if key not in result:
        raise ConfigError(unknown("key", key, result, where))
    return result[key]


class MetricScores:
    """What rewards by a metric have in common, beside their two kinds of call.

    A metric whose score of a text depends on the others it is scored with (`depends_on_batch`: CIDEr, whose IDF is of
    the scored set) is no reward until it is fitted to a fixed corpus, for its scores would drift with the rollout.
    """

    name: ClassVar[str]
    metric: Any

    @property
    def needs_references(self) -> bool:
        """Whether `fit_references` is to be called before the first rollout."""
        return bool(getattr(self.metric, "depends_on_batch", False))

    def fit_references(self, references: Sequence[Sequence[str]]) -> None:
        """references: those of the training pool's samples."""
        self.metric.fit(references, source="the training pool")

    def check_fitted(self) -> None:
        if self.needs_references:
            raise ConfigError(
                f"reward {self.name}: a text's score by metric {self.metric.name} depends on the batch it is in. Name "
                "a file of references as its argument idf, or call fit_references first."
            )


class MetricReward(MetricScores, EpisodeReward):
    """The score of one text by a metric, plus shaping. Subclasses build the metric and name it and its key."""

    key: str

    def __init__(self, metric: BaseMetric, shaping_fn: str | None = None, accelerator: Any = None) -> None:
        super().__init__(accelerator)
        self.metric = metric
        self._shaping = Shaping(shaping_fn)

    def base_score(self, result: MetricResult) -> float:
        """The reward of the metric's result on one text."""
        scores, value = pick(result, self.key, f"reward {self.name}")
        return value if scores is None else scores[0]

    def score(self, prompt: str, text: str, references: Sequence[str], meta_info: MetaInfo) -> float:
        self.check_fitted()
        result = self.metric.compute([prompt], [text], [copied(references)], [copied(meta_info)])
        return self.base_score(result) + self._shaping.one(prompt, text, references, meta_info)


class BatchedMetricReward(MetricScores, BatchedEpisodeReward):
    """The scores of a batch by a metric, plus shaping. A metric without scores per text is asked text by text."""

    name = "metric_reward"

    def __init__(
        self, metric: BaseMetric, key: str | None = None, shaping_fn: str | None = None, accelerator: Any = None
    ) -> None:
        super().__init__(accelerator)
        self.metric = metric
        self._key = key
        self._shaping = Shaping(shaping_fn)

    def metric_scores(
        self,
        prompts: list[str],
        texts: list[str],
        references: list[Sequence[str]],
        meta_infos: list[MetaInfo],
    ) -> list[float]:
        self.check_fitted()
        where = f"reward {self.name}"
        columns = copied((prompts, texts, references, meta_infos))
        scores, _ = pick(self.metric.compute(*columns), self._key, where)
        if scores is not None:
            return scores
        rows = zip(prompts, texts, references, meta_infos, strict=True)
        return [pick(self.metric.compute([p], [t], [r], [m]), self._key, where)[1] for p, t, r, m in rows]

    def score_batch(
        self,
        prompts: list[str],
        texts: list[str],
        references: list[Sequence[str]],
        meta_infos: list[MetaInfo],
    ) -> list[float]:
        scores = self.metric_scores(prompts, texts, references, meta_infos)
        shaping = self._shaping.many(prompts, texts, references, meta_infos)
        return [score + extra for score, extra in zip(scores, shaping, strict=True)]


class MetricRewardFunction(BatchedMetricReward):
    """offset + scale * score of any registered metric, plus shaping.

    metric: its id; args: its constructor's arguments; key: which of its results (needed if it has several). For a
    metric that falls as texts get better give a negative scale, e.g. metric: ter, scale: -1, offset: 1.
    """

    def __init__(
        self,
        metric: str,
        args: Mapping[str, Any] | None = None,
        key: str | None = None,
        scale: float = 1.0,
        offset: float = 0.0,
        shaping_fn: str | None = None,
        accelerator: Any = None,
    ) -> None:
        super().__init__(MetricRegistry.get(metric, args), key, shaping_fn, accelerator)
        self._scale, self._offset = scale, offset

    def metric_scores(
        self,
        prompts: list[str],
        texts: list[str],
        references: list[Sequence[str]],
        meta_infos: list[MetaInfo],
    ) -> list[float]:
        scores = super().metric_scores(prompts, texts, references, meta_infos)
        return [self._offset + self._scale * score for score in scores]
