"""Scores by a trained classifier: the probability of a label, and the intent of a dialogue turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.metrics.base import BaseMetric, MetaInfo, MetricResult, check_texts, mean
from rl4lms.metrics.classifier import load_classifier

if TYPE_CHECKING:
    from transformers import PreTrainedModel

INTENT_MODEL = "rajkumarrrk/roberta-daily-dialog-intent-classifier"
EOU_TOKEN = "<EOU>"


class LearnedRewardMetric(BaseMetric):
    """`semantic/learned_automodel_metric`: the score of label `label_ix`, per text and on average.

    What transformers' text-classification pipeline gives: a probability, but the raw score of a model whose
    problem_type is "regression".

    model_name: directory or hub id of a sequence classifier; include_prompt_for_eval: score prompt + generation.
    """

    name = "learned_reward"
    key = "semantic/learned_automodel_metric"

    def __init__(
        self,
        model_name: str,
        label_ix: int,
        batch_size: int = 32,
        include_prompt_for_eval: bool = True,
        device: str | None = None,
    ) -> None:
        self._classifier = load_classifier(str(model_name), device)
        self._classifier.check_label(label_ix)
        self._label_ix = label_ix
        self._batch_size = batch_size
        self._include_prompt = include_prompt_for_eval

    def compute(
        self,
        prompt_texts: Sequence[str] | None,
        generated_texts: Sequence[str],
        reference_texts: Sequence[Sequence[str]] | None,
        meta_infos: Sequence[MetaInfo] | None = None,
        model: PreTrainedModel | None = None,
        split_name: str | None = None,
    ) -> MetricResult:
        texts = list(generated_texts)
        check_texts(self.name, texts)
        if self._include_prompt:
            check_texts(self.name, texts, prompts=prompt_texts)
            texts = [prompt + text for prompt, text in zip(prompt_texts or (), texts, strict=True)]
        scores = self._classifier.probabilities(texts, self._batch_size)[:, self._label_ix].tolist()
        return {self.key: (scores, mean(scores))}


def intent_classifier_input(prompt: str, generated_text: str) -> str:
    """The last utterance of the dialogue so far and the answer: what an intent classifier is trained on and asked."""
    utterances = [utterance for utterance in prompt.split(EOU_TOKEN) if utterance]
    return (utterances[-1] if utterances else "") + generated_text


class IntentAccuracyDailyDialog(BaseMetric):
    """`intent/accuracy`: share of answers whose classified act is the one the human answer had.

    meta_infos hold it as `intent`: [act], acts counted from 1 as DailyDialog does; the classifier's labels from 0.
    """

    name = "intent_accuracy"
    key = "intent/accuracy"

    def __init__(self, model_name: str = INTENT_MODEL, batch_size: int = 32, device: str | None = None) -> None:
        self._classifier = load_classifier(str(model_name), device)
        if self._classifier.n_labels < 2:
            raise ConfigError(f'intent classifier "{model_name}": one label, expected one for each dialogue act.')
        self._batch_size = batch_size

    def _target(self, index: int, info: MetaInfo) -> int:
        try:
            label = int(info["intent"][0]) - 1  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            raise DataError(
                f'metric {self.name}: meta info of text {index} has no "intent" (a list with one act).'
            ) from None
        if not 0 <= label < self._classifier.n_labels:
            n_labels = self._classifier.n_labels
            raise DataError(f"metric {self.name}: intent {label + 1} of text {index}, expected 1 to {n_labels}.")
        return label

    def compute(
        self,
        prompt_texts: Sequence[str] | None,
        generated_texts: Sequence[str],
        reference_texts: Sequence[Sequence[str]] | None,
        meta_infos: Sequence[MetaInfo] | None = None,
        model: PreTrainedModel | None = None,
        split_name: str | None = None,
    ) -> MetricResult:
        check_texts(self.name, generated_texts, prompts=prompt_texts, **{"meta infos": meta_infos})
        targets = [self._target(i, info) for i, info in enumerate(meta_infos or ())]
        pairs = zip(prompt_texts or (), generated_texts, strict=True)
        texts = [intent_classifier_input(prompt, text) for prompt, text in pairs]
        predicted = self._classifier.probabilities(texts, self._batch_size).argmax(dim=-1).tolist()
        scores = [float(p == t) for p, t in zip(predicted, targets, strict=True)]
        return {self.key: (scores, mean(scores))}
