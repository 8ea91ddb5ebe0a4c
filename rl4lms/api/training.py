"""`rl4lms.train`: one call, one run, by the code that the training script runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rl4lms.api.configuration import (
    data_section,
    in_place,
    metric_sections,
    named_component,
    quick_start,
    reward_section,
)
from rl4lms.api.run import Run, load
from rl4lms.cli.main import quiet_libraries
from rl4lms.cli.train_text_generation import checked, open_backends, run_training
from rl4lms.config.overrides import noted, override
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core import progress
from rl4lms.core.errors import ConfigError
from rl4lms.core.kernels import settle_process
from rl4lms.core.pretrained import positions
from rl4lms.core.progress_view import shown
from rl4lms.core.registry import short_name
from rl4lms.core.tables import AlgorithmRegistry
from rl4lms.tracking.backends import check_backends
from rl4lms.training.model_checks import model_config

logger = logging.getLogger("rl4lms")
PROMPT_LENGTH = 128


def train(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    data: Any = None,
    reward: Any = None,
    metrics: Sequence[Any] | None = None,
    algorithm: str | type | None = None,
    output: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    n_iters: int | None = None,
    max_new_tokens: int | None = None,
    set: Mapping[str, Any] | None = None,  # noqa: A002 - as --set
    track: Sequence[str] = (),
    quiet: bool = False,
) -> Run:
    """Train a language model and return the run. The same call again resumes it, or returns it if it is finished.

    config: a YAML file of the published schema, or the mapping in one. The other arguments stand in place of what it
    says; without a configuration, `model`, `data` and (unless the algorithm is "supervised") `reward` are needed.

    model: a directory or hub id. data: rows, each a prompt (text or messages) or a dict with `prompt`, `references` and
    further columns, as a list, a DataFrame, a datasets.Dataset or a dict of splits; a file of them (jsonl, parquet,
    csv) or a folder of train, validation and test files; or the id of a data pool. What has no "val" or "test" gives a
    tenth of its training rows to each: rows as the seed draws them (`pool_of`), a file always the same.
    reward: a function `f(prompts, completions, references, **columns)` that answers one finite number for each text, a
    class, an id, or several: [(weight, reward), ...] or {name: (weight, reward)}, each of which is logged on its own.
    metrics: what is scored on "val" during training and on "test" at its ends: ids, classes or functions; None is the
    reward's own functions, and "reward" itself if it has other parts. algorithm: ppo (default), nlpo, grpo, rloo or
    another id of docs/algorithms, supervised, an id or class of your own. output: the run's directory (default: runs/
    and the name of the configuration or algorithm). n_iters: rollouts with their updates, or epochs if supervised.
    max_new_tokens: of a response. set: any other value of the schema by its dotted key: {"alg.args.learning_rate":
    1e-5}. track: "wandb", "tensorboard", "dvclive".

    Raises ConfigError or DataError, one line that says the way out, before any work; RunError for what stops a run.
    """
    source = "rl4lms.train" if config is None or isinstance(config, Mapping) else str(config)
    given = _starting_point(config, model, data, reward, algorithm, n_iters, max_new_tokens, set or {})
    changes: dict[str, Any] = {} if seed is None else {"seed": seed}
    if data is not None:
        seeds = ((set or {}).get("seed"), seed, given.get("seed"), 0)
        changes["datapool"] = data_section(data, next(each for each in seeds if isinstance(each, int)))
    if reward is not None:
        changes["reward_fn"] = reward_section(reward)
    if metrics is not None or (config is None and reward is not None):
        changes["train_evaluation.metrics"] = metric_sections(metrics, changes.get("reward_fn", {}))
    given = override(override(given, changes), set or {})
    stem = short_name(given["alg"]["id"]) if source == "rl4lms.train" else Path(source).stem
    out = Path(output) if output is not None else Path("runs") / stem
    _run(given, noted(source, set), out, track, quiet=quiet)
    return load(out)


def _run(given: Mapping[str, Any], source: str, out: Path, track: Sequence[str], *, quiet: bool) -> None:
    """Train by a configuration in the directory `out`, as the training script does. source: what errors start with."""
    quiet_libraries()
    before = logger.level
    logger.setLevel(logging.INFO)  # for log.txt; the program's own handlers say what else is seen
    try:
        resolved = checked(given, source)
        check_backends(list(track))
        names = {"project": out.absolute().parent.name, "name": out.name}
        with shown(out.name, quiet=quiet):
            progress.phase("loading")
            run_training(resolved, out, partial(open_backends, resolved, out, track, names))
    finally:
        logger.setLevel(before)


def _starting_point(
    config: Any, model: Any, data: Any, reward: Any, algorithm: Any, n_iters: int | None, length: int | None, more: Any
) -> dict[str, Any]:
    """The configuration but for its data and rewards. Raises ConfigError for what is missing."""
    alg = None if algorithm is None else named_component(AlgorithmRegistry.table, algorithm, "algorithm")["id"]
    name = None if model is None else str(model)
    if config is not None:
        given = config if isinstance(config, Mapping) else load_yaml(config)
        return override(given, in_place(given, name, alg, n_iters, length))
    needed = {"model": name, "data": data, **({} if alg == "supervised" else {"reward": reward})}
    missing = [key for key, value in needed.items() if value is None]
    if missing or name is None:
        raise ConfigError(f"rl4lms.train: {', '.join(missing)} missing; give {' and '.join(needed)}, or a YAML file.")
    settle_process(more.get("kernels", "portable"), more.get("n_threads"))  # before transformers imports torch
    facts, length = model_config(name), 32 if length is None else length
    seq2seq, limit = bool(facts.is_encoder_decoder), positions(facts)
    room = PROMPT_LENGTH if limit is None else min(PROMPT_LENGTH, limit - (0 if seq2seq else length))
    n = n_iters if n_iters is not None else 1 if alg == "supervised" else 50
    return quick_start(name, alg or "ppo", seq2seq=seq2seq, n_iters=n, prompt_length=room, length=length)
