"""Rewards that are a metric's score of the finished text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from rl4lms.config.kinds import ShapingFn
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.guard import copied
from rl4lms.core.tables import MetricRegistry
from rl4lms.metrics.base import BaseMetric, MetaInfo, MetricResult
from rl4lms.rewards.base import BatchedEpisodeReward, EpisodeReward
from rl4lms.rewards.shaping import Shaping


def pick(result: MetricResult, key: str | None, where: str) -> tuple[list[float] | None, float]:
    """The result named `key`, or the only result if key is None. Raises ConfigError if there is none."""
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
    """The common part of per-text and batched rewards by a metric.

    If the score of a text depends on the other texts (`depends_on_batch`: CIDEr takes its IDF from the scored set), the
    metric must first be fitted to a fixed corpus, because otherwise a reward would depend on the rollout.
    """

    name: ClassVar[str]
    metric: Any

    @property
    def needs_references(self) -> bool:
        """Whether `fit_references` must be called before the first rollout."""
        return bool(getattr(self.metric, "depends_on_batch", False))

    def fit_references(self, references: Sequence[Sequence[str]]) -> None:
        """Fit the metric to the references of the training pool."""
        self.metric.fit(references, source="the training pool")

    def check_fitted(self) -> None:
        if self.needs_references:
            raise ConfigError(
                f"reward {self.name}: a text's score by metric {self.metric.name} depends on the batch it is in. Name "
                "a file of references as its argument idf, or call fit_references first."
            )


class MetricReward(MetricScores, EpisodeReward):
    """The score of one text by a metric, plus shaping. Subclasses construct the metric and set the result's key."""

    key: str

    def __init__(self, metric: BaseMetric, shaping_fn: str | None = None) -> None:
        super().__init__()
        self.metric = metric
        self._shaping = Shaping(shaping_fn)

    def base_score(self, result: MetricResult) -> float:
        """The reward that follows from the metric's result on one text."""
        scores, value = pick(result, self.key, f"reward {self.name}")
        return value if scores is None else scores[0]

    def score(self, prompt: str, text: str, references: Sequence[str], meta_info: MetaInfo) -> float:
        self.check_fitted()
        result = self.metric.compute([prompt], [text], [copied(references)], [copied(meta_info)])
        return self.base_score(result) + self._shaping.one(prompt, text, references, meta_info)


class BatchedMetricReward(MetricScores, BatchedEpisodeReward):
    """The scores of a batch by a metric, plus shaping. A metric without scores per text is called for each text."""

    name = "metric_reward"

    def __init__(self, metric: BaseMetric, key: str | None = None, shaping_fn: str | None = None) -> None:
        super().__init__()
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
    """offset + scale * the score of any registered metric, plus shaping.

    metric: its id; args: the arguments of its constructor; key: the result to use, required if it has several. If lower
    scores are better, use a negative scale, e.g. metric: ter, scale: -1, offset: 1.
    """

    def __init__(
        self,
        metric: Annotated[str, "Id of the metric."],
        args: Annotated[Mapping[str, Any] | None, "Arguments of the metric."] = None,
        key: Annotated[str | None, "Which of its results; needed if it has several."] = None,
        scale: Annotated[float, "Factor of the score; negative for a metric that falls as texts get better."] = 1.0,
        offset: Annotated[float, "Added to the scaled score."] = 0.0,
        shaping_fn: ShapingFn = None,
    ) -> None:
        super().__init__(MetricRegistry.get(metric, args), key, shaping_fn)
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
