"""`evaluate`: score a method's models, of all seeds in one process, on the test split.

For each seed, in RUNS/seed<k>: metrics.json (result key -> number, with the reward, the KL to the model that the run
started from, the base model's held-out perplexity, and n), test_split_metrics.jsonl, test_predictions.json. The
provenance goes to evaluation_manifest.json, which is an output of no DAG.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rl4lms.config.compose import compose_metrics, evaluation_generation, methods, starting_point, task_params
from rl4lms.core.errors import ConfigError, DataError, unknown
from rl4lms.core.io import publish_directory, read_json, read_jsonl, write_json, write_jsonl
from rl4lms.core.manifest import build_manifest
from rl4lms.core.tables import DataPoolRegistry, MetricRegistry, RewardFunctionRegistry
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.evaluation.evaluator import EvaluationResult, evaluate
from rl4lms.evaluation.generation import Generation, TextGenerator, kl_to_reference
from rl4lms.evaluation.reward_scores import reward_scores
from rl4lms.evaluation.scores import SPLIT
from rl4lms.evaluation.suite import (
    BASE_PERPLEXITY,
    KL_PER_SEQUENCE,
    KL_PER_TOKEN,
    N_SAMPLES,
    REWARD,
    ZERO_SHOT,
)
from rl4lms.metrics.base import BaseMetric
from rl4lms.policies.language_models import load_language_model
from rl4lms.tokenization.text_task import TextTask
from rl4lms.tokenization.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)

VALIDATION = "val"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", required=True)
    parser.add_argument("--method", required=True, help="zero_shot, supervised, or an RL method of the suite")
    parser.add_argument("--seeds", type=int, nargs="+", required=True, help="seeds whose runs are evaluated")
    parser.add_argument("--data", type=Path, required=True, help="the task's prepared data")
    parser.add_argument("--base-model", type=Path, required=True, help="the task's base model")
    parser.add_argument("--runs", type=Path, required=True, help="directory of the method's runs, one seed<k> each")
    parser.add_argument(
        "--reference-model",
        help="model that the run of {seed} started from (default: the base model, or ../supervised/seed{seed}/model of "
        "the runs for a method that starts there)",
    )
    parser.add_argument("--reward-model", type=Path, help="classifier of the reward and the metrics that need one")


def run(args: argparse.Namespace) -> None:
    params = args.params
    if args.method not in (known := methods(params.grue()["algs"])):
        raise ConfigError(unknown("method", args.method, known, "--method"))
    base = args.base_model
    metrics_file = base / "metrics.json"
    perplexity = read_json(metrics_file).get("heldout_perplexity")
    if not isinstance(perplexity, int | float) or not math.isfinite(perplexity):
        raise DataError(f"{metrics_file}: heldout_perplexity is {perplexity!r}; expected a finite number.")
    task = TaskScoring.build(
        task_params(params, args.task), data_dir=args.data, base_model=base, reward_model=args.reward_model
    )
    reference = args.reference_model or default_reference(args.method, args.runs, base)
    references = LastModel(task.seq2seq)
    for seed in args.seeds:
        directory = args.runs / f"seed{seed}"
        model_dir = base if args.method == ZERO_SHOT else directory / "model"
        reference_dir = base if args.method == ZERO_SHOT else Path(reference.replace("{seed}", str(seed)))
        model = references(model_dir) if model_dir == reference_dir else _load(model_dir, task.seq2seq)
        epoch = trained_epochs(args.method, directory)
        result = task.evaluate(model, references(reference_dir), seed=seed, epoch=epoch)
        result = result.with_metrics({BASE_PERPLEXITY: float(perplexity)})
        publish(result, directory)
        inputs = [args.data / "test.jsonl", model_dir / "model.safetensors", reference_dir / "model.safetensors"]
        device = str(next(model.parameters()).device)
        manifest = build_manifest(seed=seed, device=device, inputs=[p for p in inputs if p.is_file()])
        write_json(directory / "evaluation_manifest.json", manifest)
        log.info("%s/%s/seed%d: %s", args.task, args.method, seed, _summary(result, task.main_metric))


def default_reference(method: str, runs: Path, base_model: Path) -> str:
    """Template of the model that a run of the method started from."""
    if starting_point(method) == ZERO_SHOT:
        return str(base_model)
    return str(runs.parent / starting_point(method) / "seed{seed}" / "model")


def trained_epochs(method: str, directory: Path) -> int:
    """The epoch that the scores are filed under: the last one that training evaluated, 0 for the base model."""
    if method == ZERO_SHOT:
        return 0
    path = directory / f"{VALIDATION}_split_metrics.jsonl"
    rows = read_jsonl(path, ["epoch"])
    if not rows:
        raise DataError(f"{path}: empty, so the run was never evaluated while it trained; train it again.")
    return int(rows[-1]["epoch"])


class LastModel:
    """Loads models by directory and keeps the last one: all seeds of a method may share a reference."""

    def __init__(self, seq2seq: bool) -> None:
        self.seq2seq = seq2seq
        self._directory: Path | None = None
        self._model: Any = None

    def __call__(self, directory: Path) -> PreTrainedModel:
        if directory != self._directory:
            self._model, self._directory = _load(directory, self.seq2seq), directory
        model: PreTrainedModel = self._model
        return model


def _load(directory: Path, seq2seq: bool) -> PreTrainedModel:
    if not (directory / "config.json").is_file():
        raise DataError(
            f"{directory}: no model there (config.json is missing); train the run first, or check the path."
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: PreTrainedModel = load_language_model(str(directory), seq2seq=seq2seq).to(device)  # type: ignore[arg-type]
    return model


@dataclass(frozen=True)
class TaskScoring:
    """All that scoring a model on a task's test split needs and that does not depend on the model."""

    samples: list[Sample]
    tokenizer: PreTrainedTokenizerBase
    metrics: list[BaseMetric]
    text_task: TextTask
    generation: Mapping[str, Any]
    batch_size: int
    main_metric: str
    seq2seq: bool

    @classmethod
    def build(
        cls, task: Mapping[str, Any], *, data_dir: Path, base_model: Path, reward_model: Path | None
    ) -> TaskScoring:
        """task: its params. Raises ConfigError or DataError for what is missing, before any model loads."""
        evaluation, env = task["evaluation"], task["env"]["args"]
        components = compose_metrics(
            [task["reward_fn"], *evaluation["metrics"]], model_dir=base_model, reward_model_dir=reward_model
        )
        pool = DataPoolRegistry.get(
            task["data"]["pool"], {"split": SPLIT, "data_dir": str(data_dir), **task["data"]["args"]}
        )
        samples = [pool[i][0] for i in range(len(pool))]
        if not samples:
            raise DataError(f"{data_dir}: the split {SPLIT} is empty; expected at least one row.")
        tokenizer = build_tokenizer({"model_name": str(base_model), **task["tokenizer"]})
        reward_fn, *metrics = components
        return cls(
            samples=samples,
            tokenizer=tokenizer,
            metrics=[MetricRegistry.get(metric["id"], metric["args"]) for metric in metrics],
            text_task=TextTask(
                tokenizer=tokenizer,
                reward_function=RewardFunctionRegistry.get(reward_fn["id"], reward_fn["args"]),
                samples=[],
                max_episode_length=env["max_episode_length"],
                max_prompt_length=env["max_prompt_length"],
                terminate_on_eos=True,
                prompt_truncation_side=env.get("prompt_truncation_side", "left"),
            ),
            generation=evaluation_generation(task),
            batch_size=evaluation["eval_batch_size"],
            main_metric=evaluation["main_metric"],
            seq2seq=task["model"]["type"] == "seq2seq",
        )

    def evaluate(
        self, model: PreTrainedModel, reference: PreTrainedModel, *, seed: int, epoch: int
    ) -> EvaluationResult:
        """Metrics, reward, and KL from `reference`, which may be the model itself: the KL is then 0."""
        generator = TextGenerator(
            model,
            self.tokenizer,
            generation=self.generation,
            max_prompt_length=self.text_task.max_prompt_length,
            batch_size=self.batch_size,
            seed=seed,
            prompt_truncation_side=self.text_task.prompt_truncation_side,
        )
        generation = generator.generate(self.samples)
        result = evaluate(lambda _: generation.texts, self.samples, self.metrics, split=SPLIT, epoch=epoch, model=model)
        if self.main_metric not in result.metrics:
            raise ConfigError(unknown("metric", self.main_metric, result.metrics, "evaluation.main_metric"))
        rewards = reward_scores(self.text_task, self.samples, generation, batch_size=self.batch_size)
        result = result.with_scores(REWARD, rewards)
        return result.with_metrics(self._kl(generator, generation, model, reference))

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


def publish(result: EvaluationResult, directory: Path) -> None:
    """Write the run's three files, each whole."""
    line = {"epoch": result.epoch, "metrics": result.metrics, "labels": result.labels}
    with publish_directory(directory) as scratch:
        write_json(scratch / "metrics.json", {**result.metrics, N_SAMPLES: len(result.predictions)})
        write_jsonl(scratch / f"{SPLIT}_split_metrics.jsonl", [line])
        write_json(scratch / f"{SPLIT}_predictions.json", result.predictions)


def _summary(result: EvaluationResult, main_metric: str) -> str:
    return ", ".join(f"{name} {result.metrics[name]:.4g}" for name in (main_metric, REWARD, KL_PER_TOKEN))
