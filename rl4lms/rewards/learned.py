"""Rewards by a model. They are batched: one model in one process scores all finished texts of a rollout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from rl4lms.config.kinds import (
    BatchSize,
    Classifier,
    Device,
    EncoderName,
    LabelIx,
    Language,
    Layer,
    WithPrompt,
    WordNet,
)
from rl4lms.metrics.base import MetaInfo
from rl4lms.metrics.bert_score import BertScoreMetric
from rl4lms.metrics.bleurt import BleurtMetric
from rl4lms.metrics.learned import INTENT_MODEL, IntentAccuracyDailyDialog, LearnedRewardMetric
from rl4lms.metrics.meteor import MeteorMetric
from rl4lms.rewards.base import BatchedEpisodeReward
from rl4lms.rewards.metric_reward import BatchedMetricReward


class LearnedRewardFunction(BatchedMetricReward):
    """The score of label `label_ix` of a sequence classifier for prompt + text, or for only the text.

    It is a probability by softmax or sigmoid, or the raw score if the model's problem_type is "regression".
    """

    name = "learned_reward"

    def __init__(
        self,
        model_name: Classifier,
        label_ix: LabelIx,
        include_prompt_for_eval: WithPrompt = True,
        batch_size: BatchSize = 32,
        device: Device = None,
    ) -> None:
        super().__init__(LearnedRewardMetric(model_name, label_ix, batch_size, include_prompt_for_eval, device))


class BERTScoreRewardFunction(BatchedMetricReward):
    """The best F of BERTScore over the references, in [-1, 1]. The arguments are those of `BertScoreMetric`."""

    name = "bert_score"

    def __init__(
        self,
        language: Language = "en",
        model_name: EncoderName = None,
        num_layers: Layer = None,
        batch_size: BatchSize = 64,
        device: Device = None,
    ) -> None:
        super().__init__(BertScoreMetric(language, model_name, num_layers, batch_size, device))


class BLEURTRewardFunction(BatchedMetricReward):
    """The best BLEURT over the references. checkpoint: see config_name of `BleurtMetric`."""

    name = "bleurt"

    def __init__(
        self,
        checkpoint: Annotated[
            str | None, "Published checkpoint (BLEURT-20), hub id or directory; null takes bleurt's default."
        ] = None,
        batch_size: BatchSize = 32,
        device: Device = None,
    ) -> None:
        super().__init__(BleurtMetric(checkpoint, batch_size, device))


class IntentAccuracyReward(BatchedEpisodeReward):
    """intent_coeff if the answer has the dialogue act of the human answer, plus auto_coeff * METEOR.

    shape: False omits METEOR. The coefficients of the paper are .25 and .75. model_name: the classifier of acts.
    """

    name = "intent_accuracy"

    def __init__(
        self,
        shape: Annotated[bool, "Add METEOR; false leaves it out."] = True,
        intent_coeff: Annotated[float, "Weight of the dialogue act."] = 1.0,
        auto_coeff: Annotated[float, "Weight of METEOR."] = 1.0,
        model_name: Classifier = INTENT_MODEL,
        batch_size: BatchSize = 32,
        wordnet: WordNet = "auto",
        device: Device = None,
    ) -> None:
        super().__init__()
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
