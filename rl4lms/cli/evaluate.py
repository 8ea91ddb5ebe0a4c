"""`evaluate`: score a method's models, of all seeds in one process, on the test split.

For each seed, in OUT/seed<k>: metrics.json (result key -> number, with the reward, the KL to the model that the run
started from, the base model's held-out perplexity, and n), test_split_metrics.jsonl, test_predictions.json. The
provenance goes to manifest.json, which is an output of no DAG.
"""

from __future__ import annotations

import argparse
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rl4lms.config.compose import methods, starting_point, task_params
from rl4lms.core import progress
from rl4lms.core.errors import ConfigError, DataError, unknown
from rl4lms.core.io import read_json, read_jsonl, sha256_file, write_json
from rl4lms.core.manifest import MANIFEST_FILE, build_manifest
from rl4lms.core.seals import check_seals
from rl4lms.evaluation.suite import BASE_PERPLEXITY, KL_PER_TOKEN, REWARD, ZERO_SHOT
from rl4lms.evaluation.task_scoring import TaskScoring, publish
from rl4lms.policies.language_models import load_language_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

CURVE = "val_split_metrics.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", required=True)
    parser.add_argument("--method", required=True, help="zero_shot, supervised, or an RL method of the suite")
    parser.add_argument("--seeds", type=int, nargs="+", help="seeds whose runs are evaluated (default: the suite's)")
    parser.add_argument("--data", type=Path, required=True, help="the task's prepared data")
    parser.add_argument("--base-model", type=Path, required=True, help="the task's base model")
    parser.add_argument("--runs", type=Path, required=True, help="directory of the method's runs, one seed<k> each")
    parser.add_argument("--out", type=Path, required=True, help="directory of the method's scores, one seed<k> each")
    parser.add_argument(
        "--reference-model",
        help="model that the run of {seed} started from (default: the base model, or ../supervised/seed{seed}/model of "
        "the runs for a method that starts there)",
    )
    parser.add_argument("--reward-model", type=Path, help="classifier of the reward and the metrics that need one")


def run(args: argparse.Namespace) -> None:
    params = args.params
    if args.method not in (known := methods(params.algs())):
        raise ConfigError(unknown("method", args.method, known, "--method"))
    check_seals(path for path in (args.data, args.base_model, args.reward_model) if path is not None)
    perplexity = heldout_perplexity(args.base_model / "metrics.json")
    task = TaskScoring.build(
        task_params(params, args.task), data_dir=args.data, base_model=args.base_model, reward_model=args.reward_model
    )
    template = args.reference_model or default_reference(args.method, args.runs, args.base_model)
    references = LastModel(task.seq2seq)
    seeds = args.seeds or params.grue()["seeds"]
    for done, seed in enumerate(seeds):
        progress.steps(done, len(seeds), "seed")
        progress.phase("loading models")
        directory, out = args.runs / f"seed{seed}", args.out / f"seed{seed}"
        start = Path(template.replace("{seed}", str(seed)))
        check_seals([start, *(path for path in (directory / "model", directory / CURVE) if path.exists())])
        reference = references(start)
        model = reference if args.method == ZERO_SHOT else load(directory / "model", task.seq2seq)
        epoch = 0 if args.method == ZERO_SHOT else last_epoch(directory / CURVE)
        result = task.score(model, reference, seed=seed, epoch=epoch).with_metrics({BASE_PERPLEXITY: perplexity})
        publish(result, out)
        read = [args.data / "test.jsonl", directory / "model" / "model.safetensors", start / "model.safetensors"]
        inputs = {str(path): sha256_file(path) for path in read if path.is_file()}
        facts = {"stage": "evaluate", "suite": params.suite, "task": args.task, "method": args.method}
        manifest = build_manifest(
            seed=seed, device=str(model.device), inputs=inputs, task_version=task.version, **facts
        )
        write_json(out / MANIFEST_FILE, manifest)
        shown = ", ".join(f"{name} {result.metrics[name]:.4g}" for name in (task.main_metric, REWARD, KL_PER_TOKEN))
        log.info("%s/%s/seed%d: %s", args.task, args.method, seed, shown)
    progress.steps(len(seeds), len(seeds), "seed")


def heldout_perplexity(path: Path) -> float:
    """The base model's, from its metrics.json."""
    metrics = read_json(path)
    perplexity = metrics.get("heldout_perplexity") if isinstance(metrics, dict) else None
    if not isinstance(perplexity, int | float) or not math.isfinite(perplexity):
        raise DataError(
            f"{path}: heldout_perplexity is {perplexity!r}; expected a finite number. Make the base model again."
        )
    return float(perplexity)


def default_reference(method: str, runs: Path, base_model: Path) -> str:
    """Template of the model that a run of the method started from."""
    if starting_point(method) == ZERO_SHOT:
        return str(base_model)
    return str(runs.parent / starting_point(method) / "seed{seed}" / "model")


def last_epoch(path: Path) -> int:
    """The last epoch that training evaluated: what its final model is filed under."""
    rows = read_jsonl(path, ["epoch"])
    if not rows:
        raise DataError(f"{path}: empty, so the run was never evaluated while it trained; train it again.")
    epoch = rows[-1]["epoch"]
    if not isinstance(epoch, int):
        raise DataError(f"{path}: epoch of its last line is {epoch!r}; expected a whole number.")
    return epoch


class LastModel:
    """Loads models by directory and keeps the last one: all seeds of a method may share a reference."""

    def __init__(self, seq2seq: bool) -> None:
        self.seq2seq = seq2seq
        self._directory: Path | None = None
        self._model: Any = None

    def __call__(self, directory: Path) -> PreTrainedModel:
        if directory != self._directory:
            self._model, self._directory = load(directory, self.seq2seq), directory
        model: PreTrainedModel = self._model
        return model


def load(directory: Path, seq2seq: bool) -> PreTrainedModel:
    if not (directory / "config.json").is_file():
        raise DataError(
            f"{directory}: no model there (config.json is missing); train the run first, or check the path."
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: PreTrainedModel = load_language_model(str(directory), seq2seq=seq2seq).to(device)  # type: ignore[arg-type]
    return model
