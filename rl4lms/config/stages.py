"""Which parameters each stage reads: one table for Snakemake's `params:`, for dvc.yaml, and for the test of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl4lms.config.compose import algorithm_of
from rl4lms.config.params import Params
from rl4lms.core.io import canonical_json, sha256_text

WHOLE: tuple[str, ...] = ()  # every key of the file

# stage -> file under params/ -> top-level keys. {task}, {alg}, {family}, {name} are the stage's own; {tasks} is each
# task of the suite.
STAGE_KEYS: dict[str, dict[str, tuple[str, ...]]] = {
    "prepare": {"tasks/{task}.yaml": ("version", "data")},
    "base-model": {"grue.yaml": ("n_threads", "kernels"), "base_models.yaml": ("{family}",)},
    "reward-model": {"grue.yaml": ("n_threads", "kernels"), "reward_models.yaml": ("{name}",)},
    "supervised": {
        "grue.yaml": ("n_threads", "kernels"),
        "tasks/{task}.yaml": ("version", "data", "model", "tokenizer", "supervised"),
    },
    "train": {
        "grue.yaml": ("n_threads", "kernels"),
        "tasks/{task}.yaml": (
            "version",
            "data",
            "model",
            "tokenizer",
            "env",
            "reward_fn",
            "generation",
            "rl",
            "evaluation",
        ),
        "algs/{alg}.yaml": WHOLE,
    },
    "evaluate": {
        "grue.yaml": ("n_threads", "kernels"),
        "tasks/{task}.yaml": (
            "version",
            "data",
            "model",
            "tokenizer",
            "env",
            "reward_fn",
            "generation",
            "evaluation",
        ),
    },
    "aggregate": {
        "grue.yaml": ("tasks", "algs", "seeds", "aggregate"),
        "tasks/{tasks}.yaml": ("version", "reward_fn", "evaluation"),
    },
}


def stage_files(params: Params, stage: str, **names: str) -> dict[str, tuple[str, ...]]:
    """STAGE_KEYS of one job with its names filled in: file under params/ -> keys. names: task, method, family, name."""
    fill = dict(names)
    if "method" in fill:
        fill["alg"] = algorithm_of(fill["method"]) or ""
    files = {}
    for file, keys in STAGE_KEYS[stage].items():
        each = params.grue()["tasks"] if "{tasks}" in file else [""]
        for task in each:
            files[file.format(**fill, tasks=task)] = tuple(key.format(**fill) for key in keys)
    return files


def stage_params(params: Params, stage: str, **names: str) -> dict[str, Any]:
    """What one job reads of the suite's params: file -> key -> value. names: task, method, family, name as it has."""
    values = {}
    for file, keys in stage_files(params, stage, **names).items():
        content = _content(params, file)
        values[file] = {key: content[key] for key in keys or content}
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
