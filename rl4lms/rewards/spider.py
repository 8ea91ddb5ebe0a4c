"""SPIDEr (Liu et al., 2017, arXiv:1612.00370): a weighted sum of SPICE and CIDEr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from rl4lms.config.kinds import ShapingFn
from rl4lms.core.errors import ConfigError
from rl4lms.core.tables import MetricRegistry
from rl4lms.metrics.base import BaseMetric, MetaInfo
from rl4lms.rewards.base import BatchedEpisodeReward
from rl4lms.rewards.shaping import Shaping


class SpiderRewardFunction(BatchedEpisodeReward):
    """spice_coeff * SPICE in [0, 1] + cider_coeff * CIDEr in [0, 10], plus shaping.

    A metric with coefficient 0 is not constructed, so that CIDEr without SPICE needs no Java. cider_args, spice_args:
    the arguments of the two metrics. CIDEr's document frequencies come from the training pool, or from the file in
    cider_args["idf"]. RL4LMs took those of the rollout, so that a text's reward depended on the other texts.
    """

    name = "spider"

    def __init__(
        self,
        spice_coeff: Annotated[float, "Weight of SPICE."],
        cider_coeff: Annotated[float, "Weight of CIDEr."],
        shaping_fn: ShapingFn = None,
        cider_args: Annotated[Mapping[str, Any] | None, "Arguments of the metric cider."] = None,
        spice_args: Annotated[Mapping[str, Any] | None, "Arguments of the metric spice."] = None,
    ) -> None:
        super().__init__()
        named = (("spice", spice_coeff, spice_args), ("cider", cider_coeff, cider_args))
        self._terms: list[tuple[float, str, BaseMetric]] = [
            (coeff, f"lexical/{metric}", MetricRegistry.get(metric, args)) for metric, coeff, args in named if coeff
        ]
        if not self._terms:
            raise ConfigError("reward spider: spice_coeff and cider_coeff are both 0; give at least one a weight.")
        self._shaping = Shaping(shaping_fn)

    @property
    def _unfitted(self) -> list[Any]:
        return [metric for _, _, metric in self._terms if getattr(metric, "depends_on_batch", False)]

    @property
    def needs_references(self) -> bool:
        """Whether `fit_references` must be called before the first rollout."""
        return bool(self._unfitted)

    def fit_references(self, references: Sequence[Sequence[str]]) -> None:
        """Fit CIDEr to the references of the training pool."""
        for metric in self._unfitted:
            metric.fit(references, source="the training pool")

    def score_batch(
        self,
        prompts: list[str],
        texts: list[str],
        references: list[Sequence[str]],
        meta_infos: list[MetaInfo],
    ) -> list[float]:
        if self.needs_references:
            raise ConfigError(
                "reward spider: CIDEr has no corpus for its document frequencies; name a file of references as "
                "cider_args.idf, or call fit_references first."
            )
        rewards = self._shaping.many(prompts, texts, references, meta_infos)
        for coeff, key, metric in self._terms:
            scores, _ = metric.compute(prompts, texts, references, meta_infos)[key]
            rewards = [reward + coeff * score for reward, score in zip(rewards, scores or (), strict=True)]
        return rewards
