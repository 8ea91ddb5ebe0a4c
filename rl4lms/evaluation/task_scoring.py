"""Scoring models on a task's test split: metrics, the task's own reward, KL to the model that training started from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl4lms.config.compose import candidate_generation, compose_metrics, evaluation_generation
from rl4lms.config.generation import GenerationConfig, read_generation
from rl4lms.core.errors import ConfigError, DataError, unknown
from rl4lms.core.io import write_json, write_jsonl
from rl4lms.core.result_keys import KL_PER_SEQUENCE, KL_PER_TOKEN, N_SAMPLES, REWARD, SPLIT, TOKENS
from rl4lms.core.tables import DataPoolRegistry, MetricRegistry, RewardFunctionRegistry
from rl4lms.core.work_directory import publish_directory
from rl4lms.data_pools.text_generation_pool import Sample, check_samples
from rl4lms.evaluation.best_of_n import best_of_n
from rl4lms.evaluation.evaluator import EvaluationResult, evaluate_samples
from rl4lms.evaluation.generation import Generation, TextGenerator, kl_to_reference
from rl4lms.evaluation.reward_scores import reward_scores
from rl4lms.metrics.base import BaseMetric
from rl4lms.policies.token_facts import set_start_token
from rl4lms.tokenization.text_task import TextTask
from rl4lms.tokenization.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class TaskScoring:
    """All that scoring a model on a task's test split needs and that does not depend on the model."""

    samples: list[Sample]
    tokenizer: PreTrainedTokenizerBase
    metrics: list[BaseMetric]
    text_task: TextTask
    generation: GenerationConfig
    batch_size: int
    main_metric: str
    seq2seq: bool
    version: int
    params: Mapping[str, Any]

    @classmethod
    def build(
        cls, task: Mapping[str, Any], *, data_dir: Path, base_model: Path, reward_model: Path | None
    ) -> TaskScoring:
        """task: its params. Raises ConfigError or DataError for what is missing, before any model loads."""
        evaluation, env = task["evaluation"], task["env"]["args"]
        components = compose_metrics(
            [task["reward_fn"], *evaluation["metrics"]], model_dir=base_model, reward_model_dir=reward_model
        )
        samples = _samples(task, data_dir, SPLIT)
        if not samples:
            raise DataError(f"{data_dir}: the split {SPLIT} is empty; expected at least one row.")
        tokenizer = build_tokenizer({"model_name": str(base_model), **task["tokenizer"]})
        reward_fn, *metrics = components
        reward = RewardFunctionRegistry.get(reward_fn["id"], reward_fn["args"])
        if getattr(reward, "needs_references", False):
            reward.fit_references([sample.references for sample in _samples(task, data_dir, "train")])
        causal = task["model"]["type"] == "causal"
        generation = read_generation(
            evaluation_generation(task), "generation", "params", episode_length=env["max_episode_length"], causal=causal
        )
        return cls(
            samples=samples,
            tokenizer=tokenizer,
            metrics=[MetricRegistry.get(metric["id"], metric["args"]) for metric in metrics],
            text_task=TextTask(
                tokenizer=tokenizer,
                reward_function=reward,
                samples=[],
                max_episode_length=env["max_episode_length"],
                max_prompt_length=env["max_prompt_length"],
                terminate_on_eos=True,
                prompt_truncation_side=env.get("prompt_truncation_side", "left"),
                encoder_decoder=not causal,
            ),
            generation=generation,
            batch_size=evaluation["eval_batch_size"],
            main_metric=evaluation["main_metric"],
            seq2seq=task["model"]["type"] == "seq2seq",
            version=task["version"],
            params=task,
        )

    def score(self, model: PreTrainedModel, reference: PreTrainedModel, *, seed: int, epoch: int) -> EvaluationResult:
        """Metrics, reward, and KL from `reference`, which may be the model itself: the KL is then 0."""
        generator = self._generator(model, self.generation, seed)
        set_start_token(reference, generator.generation.decoder_start_token_id)
        generation = generator.generate(self.samples)
        result = self._result(generation, self._rewards(generator, generation), model, epoch)
        return result.with_metrics(self._kl(generator, generation, model, reference))

    def score_best_of_n(
        self, model: PreTrainedModel, sampling: Mapping[str, Any], *, seed: int, epoch: int
    ) -> EvaluationResult:
        """Metrics and reward of the best of n texts, and the tokens that they cost; sampling: `best_of_n` of the suite.

        They have no KL: it would take the density of the choice, which is not that of the model.
        """
        generator = self._generator(model, self.generation, seed)
        sampler = self._generator(model, self._sampling(sampling), seed)
        chosen = best_of_n(
            generator, sampler, self.samples, lambda each: self._rewards(generator, each), n := sampling["n"]
        )
        result = self._result(chosen.generation, chosen.rewards, model, epoch)
        result = result.with_metrics({TOKENS: chosen.n_tokens / len(self.samples)})
        return replace(result, labels={**result.labels, TOKENS: f"of n = {n} texts a sample"})

    def _sampling(self, sampling: Mapping[str, Any]) -> GenerationConfig:
        length = self.text_task.max_episode_length
        given = candidate_generation(self.params, sampling)
        return read_generation(given, "best_of_n", "params", episode_length=length, causal=not self.seq2seq)

    def _generator(self, model: PreTrainedModel, generation: GenerationConfig, seed: int) -> TextGenerator:
        return TextGenerator(
            model,
            self.tokenizer,
            generation=generation,
            max_prompt_length=self.text_task.max_prompt_length,
            batch_size=self.batch_size,
            seed=seed,
            prompt_truncation_side=self.text_task.prompt_truncation_side,
        )

    def _rewards(self, generator: TextGenerator, generation: Generation) -> list[float]:
        task = replace(self.text_task, stop_ids=frozenset(generator.stop_ids), stop_strings=generator.stop_strings)
        return reward_scores(task, self.samples, generation, batch_size=self.batch_size)

    def _result(
        self, generation: Generation, rewards: list[float], model: PreTrainedModel, epoch: int
    ) -> EvaluationResult:
        result = evaluate_samples(
            lambda _: generation.texts, self.samples, self.metrics, split=SPLIT, epoch=epoch, model=model
        )
        if self.main_metric not in result.metrics:
            raise ConfigError(unknown("metric", self.main_metric, result.metrics, "evaluation.main_metric"))
        return result.with_scores(REWARD, rewards)

    def _kl(
        self, generator: TextGenerator, generation: Generation, model: PreTrainedModel, reference: PreTrainedModel
    ) -> dict[str, float]:
        """Over the responses as generated: nats per token and per sequence."""
        if reference is model:
            return {KL_PER_TOKEN: 0.0, KL_PER_SEQUENCE: 0.0}
        prompts = generator.encode(self.samples)
        sums, lengths = kl_to_reference(
            model, reference, prompts, generation.token_ids, pad_id=generator.pad_id, batch_size=self.batch_size
        )
        total = math.fsum(sums)
        return {KL_PER_TOKEN: total / sum(lengths), KL_PER_SEQUENCE: total / len(sums)}


def _samples(task: Mapping[str, Any], data_dir: Path, split: str) -> list[Sample]:
    pool = DataPoolRegistry.get(
        task["data"]["pool"], {"split": split, "data_dir": str(data_dir), **task["data"]["args"]}
    )
    check_samples(pool, f"{data_dir}, split {split}")
    return [pool[i][0] for i in range(len(pool))]


def publish(result: EvaluationResult, directory: Path, *, task: str, method: str, seed: int) -> None:
    """Write the run's three files, each whole. The line of metrics says of which run it is, and which are means."""
    run = {"task": task, "method": method, "seed": seed}
    line = {**run, "epoch": result.epoch, "metrics": result.metrics, "labels": result.labels, "means": result.means}
    with publish_directory(directory) as scratch:
        write_json(scratch / "metrics.json", {**result.metrics, N_SAMPLES: len(result.predictions)})
        write_jsonl(scratch / f"{SPLIT}_split_metrics.jsonl", [line])
        write_json(scratch / f"{SPLIT}_predictions.json", result.predictions)
