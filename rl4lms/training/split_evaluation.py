"""Evaluates a model on the splits of a run's pool during training, for on-policy and supervised runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rl4lms.config.schema import ComponentConfig
from rl4lms.core.tables import MetricRegistry
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.evaluation.evaluator import EvaluationResult, evaluate_samples
from rl4lms.evaluation.generation import TextGenerator
from rl4lms.metrics.base import BaseMetric
from rl4lms.tracking.backends import untouched_generators
from rl4lms.tracking.tracker import Tracker
from rl4lms.training.pools import Pools

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class SplitEvaluation:
    """Generates texts for a split, scores them with the run's metrics and writes the predictions.

    generator: the arguments of `TextGenerator` except model and tokenizer. Without metrics nothing is generated.
    """

    def __init__(
        self,
        pools: Pools,
        metrics: Sequence[ComponentConfig],
        tokenizer: PreTrainedTokenizerBase,
        tracker: Tracker,
        **generator: Any,
    ) -> None:
        self.pools, self.tokenizer, self.tracker, self.generator = pools, tokenizer, tracker, generator
        self.metrics: list[BaseMetric] = [MetricRegistry.get(metric.id, metric.args) for metric in metrics]

    def score(self, model: Any, split: str, epoch: int) -> EvaluationResult | None:
        """The result of `model` on a split; None without metrics. The model is in eval mode afterwards.

        The global generators are restored, so that random draws of a metric do not change the training.
        """
        if not self.metrics:
            return None
        samples: list[Sample] = [sample for sample, _ in self.pools[split]]
        model.eval()
        with untouched_generators():
            generate = TextGenerator(model, self.tokenizer, **self.generator)
            result = evaluate_samples(generate, samples, self.metrics, split=split, epoch=epoch, model=model)
        self.tracker.log_predictions(split, epoch, result.predictions)
        return result
