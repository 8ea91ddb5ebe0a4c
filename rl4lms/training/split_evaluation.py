"""Evaluates a model on the splits of a run's pool during training, for on-policy and supervised runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from rl4lms.config.schema import ComponentConfig
from rl4lms.config.sections import MaxSamplesConfig
from rl4lms.core.errors import ConfigError
from rl4lms.core.io import write_json
from rl4lms.core.result_keys import REWARD
from rl4lms.core.seeding import torch_generator
from rl4lms.core.tables import MetricRegistry
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.evaluation.evaluator import EvaluationResult, evaluate_samples
from rl4lms.evaluation.generation import Generation, TextGenerator
from rl4lms.evaluation.reward_scores import finished_episodes
from rl4lms.metrics.base import BaseMetric
from rl4lms.metrics.run_reward import RunReward
from rl4lms.rollouts.scoring import BatchedScorer
from rl4lms.tokenization.text_task import TextTask
from rl4lms.tracking.backends import untouched_generators
from rl4lms.tracking.tracker import SilentTracker, Tracker
from rl4lms.training.pools import Pools

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class SplitEvaluation:
    """Generates texts for a split, scores them with the run's metrics and writes the predictions.

    generator: the arguments of `TextGenerator` except model and tokenizer. Without metrics nothing is generated.
    make_reward: makes what the metric "reward" scores as the rollouts would, without its KL penalty; it is not that of
    the rollouts, so that a reward with a state gives the same in training, whatever is evaluated. n_reward_workers,
    reward_timeout_s: as the rollouts have them.
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
        make_reward: Callable[[], Any] | None = None,
        n_reward_workers: int = 0,
        reward_timeout_s: float | None = None,
        **generator: Any,
    ) -> None:
        self.pools, self.tokenizer, self.tracker = pools, tokenizer, tracker
        self.generator, self.seed, self.max_samples = {"seed": seed, **generator}, seed, max_samples
        self._samples: dict[str, list[Sample]] = {}
        self._drawn: dict[str, dict[str, Any]] = {}
        made: list[BaseMetric] = [MetricRegistry.get(metric.id, metric.args) for metric in metrics]
        self.metrics = [metric for metric in made if not isinstance(metric, RunReward)]
        self.scores_reward, self.make_reward = len(self.metrics) < len(made), make_reward
        if self.scores_reward and make_reward is None:
            raise ConfigError("train_evaluation.metrics: reward is that of a run with a reward_fn, and this has none.")
        self.n_reward_workers, self.reward_timeout_s = n_reward_workers, reward_timeout_s
        self._scorer: BatchedScorer | None = None

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
        if not self.metrics and not self.scores_reward:
            return None
        samples = self.samples(split)
        model.eval()
        with untouched_generators():
            generate = TextGenerator(model, self.tokenizer, **self.generator)
            texts = generate.generate(samples)
            result = evaluate_samples(
                lambda _: texts.texts, samples, self.metrics, split=split, epoch=epoch, model=model
            )
            if self.scores_reward:
                result = self._with_reward(result, samples, generate, texts)
        self.tracker.log_predictions(split, epoch, result.predictions)
        return result

    def _with_reward(
        self, result: EvaluationResult, samples: list[Sample], generate: TextGenerator, texts: Generation
    ) -> EvaluationResult:
        """The result with `reward` and, of a weighted sum, `reward_<name>` for each of its rewards."""
        if self._scorer is None and self.make_reward is not None:
            task = TextTask(
                tokenizer=self.tokenizer,
                reward_function=self.make_reward(),
                samples=[],
                max_episode_length=generate.spec.max_new_tokens,
                max_prompt_length=generate.max_prompt_length,
                terminate_on_eos=True,
                prompt_truncation_side=generate.prompt_truncation_side,
                stop_ids=frozenset(generate.stop_ids),
                encoder_decoder=not generate.causal,
                pad_token_id=generate.pad_id,
                stop_strings=generate.stop_strings,
            )
            self._scorer = BatchedScorer(task, self.n_reward_workers, self.reward_timeout_s)
        assert self._scorer is not None
        # In one call, after which the scorer still has what each reward of a weighted sum said.
        scores = self._scorer(finished_episodes(self._scorer.task, samples, texts))
        result = result.with_scores(REWARD, [math.fsum(row) for row in scores])
        for name, part in self._scorer.parts.items():
            result = result.with_scores(f"{REWARD}_{name}", list(part))
        return result

    def close(self) -> None:
        """End the processes of the reward."""
        if self._scorer is not None:
            self._scorer.close()
