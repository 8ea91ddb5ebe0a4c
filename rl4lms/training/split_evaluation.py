"""Evaluates a model on the splits of a run's pool during training, for on-policy and supervised runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from rl4lms.config.schema import ComponentConfig
from rl4lms.config.sections import MaxSamplesConfig
from rl4lms.core.io import write_json
from rl4lms.core.seeding import torch_generator
from rl4lms.core.tables import MetricRegistry
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.evaluation.evaluator import EvaluationResult, evaluate_samples
from rl4lms.evaluation.generation import TextGenerator
from rl4lms.metrics.base import BaseMetric
from rl4lms.tracking.backends import untouched_generators
from rl4lms.tracking.tracker import SilentTracker, Tracker
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
        *,
        seed: int,
        max_samples: MaxSamplesConfig | None = None,
        **generator: Any,
    ) -> None:
        self.pools, self.tokenizer, self.tracker = pools, tokenizer, tracker
        self.generator, self.seed, self.max_samples = {"seed": seed, **generator}, seed, max_samples
        self._samples: dict[str, list[Sample]] = {}
        self._drawn: dict[str, dict[str, Any]] = {}
        self.metrics: list[BaseMetric] = [MetricRegistry.get(metric.id, metric.args) for metric in metrics]

    def samples(self, split: str) -> list[Sample]:
        """The samples of a split, or as many of them as `max_samples` says, drawn by the seed, in their order.

        Those that are drawn stand in evaluation_samples.json.
        """
        if split not in self._samples:
            samples = [sample for sample, _ in self.pools[split]]
            limit = getattr(self.max_samples, split, None)
            if limit is not None and limit < len(samples):
                chosen = torch.randperm(len(samples), generator=torch_generator(self.seed, "evaluation samples", split))
                index = sorted(chosen[:limit].tolist())
                self._drawn[split] = {"of": len(samples), "index": index, "ids": [samples[i].id for i in index]}
                samples = [samples[i] for i in index]
                if not isinstance(self.tracker, SilentTracker):
                    write_json(self.tracker.run_dir / "evaluation_samples.json", self._drawn)
            self._samples[split] = samples
        return self._samples[split]

    def score(self, model: Any, split: str, epoch: int) -> EvaluationResult | None:
        """The result of `model` on a split; None without metrics. The model is in eval mode afterwards.

        The global generators are restored, so that random draws of a metric do not change the training.
        """
        if not self.metrics:
            return None
        samples = self.samples(split)
        model.eval()
        with untouched_generators():
            generate = TextGenerator(model, self.tokenizer, **self.generator)
            result = evaluate_samples(generate, samples, self.metrics, split=split, epoch=epoch, model=model)
        self.tracker.log_predictions(split, epoch, result.predictions)
        return result
