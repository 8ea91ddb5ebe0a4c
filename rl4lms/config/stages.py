"""The stages of the benchmark, one row each: Snakemake's rules, dvc.yaml and their tests are derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rl4lms.config.compose import BASELINES, algorithm_of
from rl4lms.config.params import Params
from rl4lms.core.io import canonical_json, sha256_text

WHOLE: tuple[str, ...] = ()  # every key of the file
_TORCH = ("n_threads", "kernels")
_RUN = ("version", "data", "model", "tokenizer", "env", "reward_fn", "generation")
_CLASSIFIER = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
_MODEL = ("config.json", "model.safetensors", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
_CARDED = ("README.md", *_MODEL)
_TRAINED = ("config.json", "training_info.jsonl", "val_split_metrics.jsonl", *(f"model/{name}" for name in _CARDED))


@dataclass(frozen=True)
class Stage:
    """One command of the benchmark.

    module: of rl4lms.cli. keys: file under params/ -> the top-level keys that the stage reads of it; {task}, {alg},
    {family} and {name} are a job's own, and {baseline} where it has one; {tasks} is each task of the suite. outputs:
    what a job leaves in its --out.
    """

    module: str
    summary: str
    keys: Mapping[str, tuple[str, ...]]
    outputs: tuple[str, ...]


STAGES = {
    "prepare": Stage(
        "prepare",
        "write a task's rows: generated, local or from the hub",
        {"tasks/{task}.yaml": ("version", "data")},
        ("train.jsonl", "validation.jsonl", "test.jsonl", "summary.json"),
    ),
    "base-model": Stage(
        "base_model",
        "make a family's tokenizer and base model",
        {"grue.yaml": _TORCH, "base_models.yaml": ("{family}",)},
        (*_MODEL, "metrics.json"),
    ),
    "reward-model": Stage(
        "reward_model",
        "train a classifier that a reward or metric uses",
        {"grue.yaml": _TORCH, "reward_models.yaml": ("{name}",)},
        (*_CLASSIFIER, "metrics.json"),
    ),
    "supervised": Stage(
        "supervised",
        "fine-tune the base model on a task (the warm start)",
        {"grue.yaml": _TORCH, "tasks/{task}.yaml": ("version", "data", "model", "tokenizer", "supervised")},
        _TRAINED,
    ),
    "train": Stage(
        "train",
        "train with reinforcement learning",
        {"grue.yaml": _TORCH, "tasks/{task}.yaml": (*_RUN, "rl", "evaluation"), "algs/{alg}.yaml": WHOLE},
        (*_TRAINED, "rollout_info.jsonl"),
    ),
    "evaluate": Stage(
        "evaluate",
        "score a run's model on the test split",
        {"grue.yaml": (*_TORCH, "{baseline}"), "tasks/{task}.yaml": (*_RUN, "evaluation")},
        ("metrics.json", "test_split_metrics.jsonl", "test_predictions.json"),
    ),
    "aggregate": Stage(
        "aggregate",
        "make the benchmark's tables, plots and report",
        {
            "grue.yaml": ("tasks", "algs", "baselines", "starts", "seeds", "aggregate"),
            "tasks/{tasks}.yaml": ("version", "reward_fn", "evaluation"),
        },
        (
            "metrics.json", "scores.csv", "curves.csv", "significance.csv", "statistics.csv", "contrasts.csv",
            "pairs.csv", "profiles.csv", "training.csv", "grue.csv", "grue.md", "grue.tex", "learning_curves.png",
            "kl_reward.png", "summary.png", "statistics.png", "report.html",
        ),
    ),
}  # fmt: skip


def stage_files(params: Params, stage: str, **names: str) -> dict[str, tuple[str, ...]]:
    """A stage's keys for one job: file under params/ -> keys. names: task, method, family, name as the job has them."""
    method = names.get("method", "")
    fill = {**names, "alg": algorithm_of(method) or "", "baseline": method if method in BASELINES else ""}
    files = {}
    for file, keys in STAGES[stage].keys.items():
        each = params.grue()["tasks"] if "{tasks}" in file else [""]
        for task in each:
            files[file.format(**fill, tasks=task)] = tuple(filter(None, (key.format(**fill) for key in keys)))
    return files


def stage_params(params: Params, stage: str, **names: str) -> dict[str, Any]:
    """What one job reads of the suite's params: file -> key -> value. names: task, method, family, name as it has."""
    values = {}
    for file, keys in stage_files(params, stage, **names).items():
        content = _content(params, file)
        own = ("module",) if content.get("module") else ()  # every stage rests on the module of a user's task
        values[file] = {key: content[key] for key in ((*keys, *own) if keys else content)}
    return values


def config_digest(value: Mapping[str, Any]) -> str:
    """sha256 of a configuration; the order of its keys does not matter."""
    return sha256_text(canonical_json(value))


def _content(params: Params, file: str) -> dict[str, Any]:
    folder, _, name = file.removesuffix(".yaml").rpartition("/")
    if folder == "tasks":
        return params.task(name)
    if folder == "algs":
        return params.alg(name)
    whole = {"grue": params.grue, "base_models": params.base_models, "reward_models": params.reward_models}
    return whole[name]()
