"""`evaluate`: score the model of one run (a task, a method, a seed) on the test split.

In OUT: metrics.json (result key -> number, with the reward, the KL to the model that the run started from, or of
best_of_n the tokens that it generated, the base model's held-out perplexity, and n), test_split_metrics.jsonl,
test_predictions.json. The provenance goes to manifest.json, which is an output of no DAG.
"""

from __future__ import annotations

import argparse
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rl4lms.config.compose import BASELINES, BEST_OF_N, ZERO_SHOT, methods, run_of, starting_point, task_params
from rl4lms.core import progress
from rl4lms.core.errors import ConfigError, DataError, unknown
from rl4lms.core.io import read_json, read_jsonl, sha256_file, write_json
from rl4lms.core.manifest import MANIFEST_FILE, build_manifest
from rl4lms.core.result_keys import BASE_PERPLEXITY, KL_PER_TOKEN, REWARD, TOKENS
from rl4lms.core.seals import check_seals
from rl4lms.evaluation.task_scoring import TaskScoring, publish
from rl4lms.policies.language_models import load_language_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

CURVE = "val_split_metrics.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", required=True)
    parser.add_argument("--method", required=True, help="zero_shot, supervised, best_of_n, or an RL method")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--data", type=Path, help="the task's prepared data")
    parser.add_argument("--base-model", type=Path, help="the task's base model")
    parser.add_argument("--run", type=Path, help="the run; for best_of_n the supervised one; not read for zero_shot")
    parser.add_argument("--out", type=Path, help="directory of the run's scores")
    parser.add_argument(
        "--reference-model",
        type=Path,
        help="model that the run started from (default: the base model; for a method that starts from the supervised "
        "one, that of RUN/../../supervised/seed<k>)",
    )
    parser.add_argument("--reward-model", type=Path, help="classifier of the reward and the metrics that need one")


def run(args: argparse.Namespace) -> None:
    params = args.params
    if args.method not in (known := methods(params.algs(), BASELINES)):
        raise ConfigError(unknown("method", args.method, known, "--method"))
    check_seals(path for path in (args.data, args.base_model, args.reward_model) if path is not None)
    perplexity = heldout_perplexity(args.base_model / "metrics.json")
    task = TaskScoring.build(
        task_params(params, args.task), data_dir=args.data, base_model=args.base_model, reward_model=args.reward_model
    )
    start = args.reference_model or default_reference(args.method, args.run, args.base_model)
    progress.phase("loading models")
    check_seals([start, *(path for path in (args.run / "model", args.run / CURVE) if path.exists())])
    own = start if args.method == ZERO_SHOT else args.run / "model"
    model = load_on_device(own, task.seq2seq)
    epoch = 0 if args.method == ZERO_SHOT else last_epoch(args.run / CURVE)
    if args.method == BEST_OF_N:
        result = task.score_best_of_n(model, params.grue()[BEST_OF_N], seed=args.seed, epoch=epoch)
    else:
        reference = model if own == start else load_on_device(start, task.seq2seq)
        result = task.score(model, reference, seed=args.seed, epoch=epoch)
    result = result.with_metrics({BASE_PERPLEXITY: perplexity})
    publish(result, args.out, task=args.task, method=args.method, seed=args.seed)
    read = [args.data / "test.jsonl", args.run / "model" / "model.safetensors", start / "model.safetensors"]
    inputs = {str(path): sha256_file(path) for path in read if path.is_file()}
    facts = {"stage": "evaluate", "suite": params.suite, "task": args.task, "method": args.method}
    manifest = build_manifest(
        seed=args.seed, device=str(model.device), inputs=inputs, task_version=task.version, **facts
    )
    write_json(args.out / MANIFEST_FILE, manifest)
    names = (task.main_metric, REWARD, KL_PER_TOKEN, TOKENS)
    shown = ", ".join(f"{name} {result.metrics[name]:.4g}" for name in names if name in result.metrics)
    log.info("%s/%s/seed%d: %s", args.task, args.method, args.seed, shown)


def heldout_perplexity(path: Path) -> float:
    """The base model's, from its metrics.json."""
    metrics = read_json(path)
    perplexity = metrics.get("heldout_perplexity") if isinstance(metrics, dict) else None
    if not isinstance(perplexity, int | float) or not math.isfinite(perplexity):
        raise DataError(
            f"{path}: heldout_perplexity is {perplexity!r}; expected a finite number. Make the base model again."
        )
    return float(perplexity)


def default_reference(method: str, run: Path, base_model: Path) -> Path:
    """The model that a run of the method started from; a baseline is that model itself."""
    if run_of(method) != method:
        return run / "model"
    if starting_point(method) == ZERO_SHOT:
        return base_model
    return run.parent.parent / starting_point(method) / run.name / "model"


def last_epoch(path: Path) -> int:
    """The last epoch that training evaluated: what its final model is filed under."""
    rows = read_jsonl(path, ["epoch"])
    if not rows:
        raise DataError(f"{path}: empty, so the run was never evaluated while it trained; train it again.")
    epoch = rows[-1]["epoch"]
    if not isinstance(epoch, int):
        raise DataError(f"{path}: epoch of its last line is {epoch!r}; expected a whole number.")
    return epoch


def load_on_device(directory: Path, seq2seq: bool) -> PreTrainedModel:
    if not (directory / "config.json").is_file():
        raise DataError(
            f"{directory}: no model there (config.json is missing); train the run first, or check the path."
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: PreTrainedModel = load_language_model(str(directory), seq2seq=seq2seq).to(device)  # type: ignore[arg-type]
    return model
