"""Rewards by a model. They are batched: one model, in one process, scores all finished texts of a rollout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rl4lms.metrics.base import MetaInfo
from rl4lms.metrics.bert_score import BertScoreMetric
from rl4lms.metrics.bleurt import BleurtMetric
from rl4lms.metrics.learned import INTENT_MODEL, IntentAccuracyDailyDialog, LearnedRewardMetric
from rl4lms.metrics.meteor import MeteorMetric
from rl4lms.rewards.base import BatchedEpisodeReward
from rl4lms.rewards.metric_reward import BatchedMetricReward


class LearnedRewardFunction(BatchedMetricReward):
    """Score of label `label_ix` of a sequence classifier for prompt + text (or the text alone).

    A probability in [0, 1], by softmax or sigmoid, but the raw score of a model whose problem_type is "regression".
    """

    name = "learned_reward"

    def __init__(
        self,
        model_name: str,
        label_ix: int,
        include_prompt_for_eval: bool = True,
        batch_size: int = 32,
        device: str | None = None,
        accelerator: Any = None,
    ) -> None:
        metric = LearnedRewardMetric(model_name, label_ix, batch_size, include_prompt_for_eval, device)
        super().__init__(metric, "semantic/learned_automodel_metric", None, accelerator)


class BERTScoreRewardFunction(BatchedMetricReward):
    """BERTScore's F, best over references, in [-1, 1]; the arguments are `BertScoreMetric`'s."""

    name = "bert_score"

    def __init__(
        self,
        language: str = "en",
        model_name: str | None = None,
        num_layers: int | None = None,
        batch_size: int = 64,
        device: str | None = None,
        accelerator: Any = None,
    ) -> None:
        metric = BertScoreMetric(language, model_name, num_layers, batch_size, device)
        super().__init__(metric, "semantic/bert_score", None, accelerator)


class BLEURTRewardFunction(BatchedMetricReward):
    """BLEURT, best over references; checkpoint: see `BleurtMetric`'s config_name."""

    name = "bleurt"

    def __init__(
        self,
        checkpoint: str | None = None,
        batch_size: int = 32,
        device: str | None = None,
        accelerator: Any = None,
    ) -> None:
        super().__init__(BleurtMetric(checkpoint, batch_size, device), "semantic/bleurt", None, accelerator)


class IntentAccuracyReward(BatchedEpisodeReward):
    """intent_coeff * [the answer has the human answer's dialogue act] + auto_coeff * METEOR of the answer.

    shape: False leaves METEOR out. The paper uses .25 and .75. model_name: the act classifier.
    """

    name = "intent_accuracy"

    def __init__(
        self,
        shape: bool = True,
        intent_coeff: float = 1.0,
        auto_coeff: float = 1.0,
        model_name: str = INTENT_MODEL,
        batch_size: int = 32,
        wordnet: str = "auto",
        device: str | None = None,
        accelerator: Any = None,
    ) -> None:
        super().__init__(accelerator)
        self.metric = IntentAccuracyDailyDialog(model_name, batch_size, device)
        self._shaping_metric = MeteorMetric(wordnet) if shape else None
        self._intent_coeff, self._auto_coeff = intent_coeff, auto_coeff

    def score_batch(
        self,
        prompts: list[str],
        texts: list[str],
        references: list[Sequence[str]],
        meta_infos: list[MetaInfo],
    ) -> list[float]:
        matches, _ = self.metric.compute(prompts, texts, references, meta_infos)["intent/accuracy"]
        rewards = [self._intent_coeff * match for match in matches or ()]
        if self._shaping_metric is None:
            return rewards
        meteors, _ = self._shaping_metric.compute(prompts, texts, references)["lexical/meteor"]
        return [reward + self._auto_coeff * meteor for reward, meteor in zip(rewards, meteors or (), strict=True)]
