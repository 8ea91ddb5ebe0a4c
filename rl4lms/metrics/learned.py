"""Scores by a trained classifier: the probability of a label, and the intent of a dialogue turn."""

from __future__ import annotations

from rl4lms.config.kinds import BatchSize, Classifier, Device, LabelIx, WithPrompt
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.metrics.base import MetaInfo, MetricResult, SampleMetric, Samples, check_texts, mean
from rl4lms.metrics.classifier import load_classifier

INTENT_MODEL = "rajkumarrrk/roberta-daily-dialog-intent-classifier"
EOU_TOKEN = "<EOU>"


class LearnedRewardMetric(SampleMetric):
    """`semantic/learned_automodel_metric`: the score of label `label_ix`, per text and on average.

    The score is a probability, or the raw score if the model's problem_type is "regression", as in the
    text-classification pipeline of transformers.

    model_name: directory or hub id of a sequence classifier; include_prompt_for_eval: score prompt + generation.
    """

    name = "learned_reward"
    key = "semantic/learned_automodel_metric"

    def __init__(
        self,
        model_name: Classifier,
        label_ix: LabelIx,
        batch_size: BatchSize = 32,
        include_prompt_for_eval: WithPrompt = True,
        device: Device = None,
    ) -> None:
        self._classifier = load_classifier(str(model_name), device)
        self._classifier.check_label(label_ix)
        self._label_ix = label_ix
        self._batch_size = batch_size
        self._include_prompt = include_prompt_for_eval

    def score_samples(self, samples: Samples) -> MetricResult:
        texts = list(samples.texts)
        check_texts(self.name, texts)
        if self._include_prompt:
            check_texts(self.name, texts, prompts=samples.prompts)
            texts = [prompt + text for prompt, text in zip(samples.prompts or (), texts, strict=True)]
        scores = self._classifier.probabilities(texts, self._batch_size)[:, self._label_ix].tolist()
        return {self.key: (scores, mean(scores))}


def intent_classifier_input(prompt: str, generated_text: str) -> str:
    """The text that an intent classifier reads: the last utterance of the dialogue and the answer."""
    utterances = [utterance for utterance in prompt.split(EOU_TOKEN) if utterance]
    return (utterances[-1] if utterances else "") + generated_text


class IntentAccuracyDailyDialog(SampleMetric):
    """`intent/accuracy`: the share of answers whose classified dialogue act is that of the human answer.

    meta_infos have it as `intent`: [act]. DailyDialog counts acts from 1, the classifier its labels from 0.
    """

    name = "intent_accuracy"
    key = "intent/accuracy"

    def __init__(
        self, model_name: Classifier = INTENT_MODEL, batch_size: BatchSize = 32, device: Device = None
    ) -> None:
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

    def score_samples(self, samples: Samples) -> MetricResult:
        check_texts(self.name, samples.texts, prompts=samples.prompts, **{"meta infos": samples.meta_infos})
        targets = [self._target(i, info) for i, info in enumerate(samples.meta_infos or ())]
        pairs = zip(samples.prompts or (), samples.texts, strict=True)
        texts = [intent_classifier_input(prompt, text) for prompt, text in pairs]
        predicted = self._classifier.probabilities(texts, self._batch_size).argmax(dim=-1).tolist()
        scores = [float(p == t) for p, t in zip(predicted, targets, strict=True)]
        return {self.key: (scores, mean(scores))}
