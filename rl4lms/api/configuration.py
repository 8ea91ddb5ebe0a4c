"""From the keyword arguments of `rl4lms.train` to the published schema of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rl4lms.api.rows import pool_of
from rl4lms.config.arguments import PUBLISHED_WITHOUT_KL, group_arguments
from rl4lms.core.code_imports import found_as
from rl4lms.core.conversations import COLUMN, is_conversation
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.registry import Registry
from rl4lms.core.tables import (
    AlgorithmRegistry,
    DataPoolRegistry,
    MetricRegistry,
    RewardFunctionRegistry,
    takes_completions,
)
from rl4lms.core.user_code import UndigestibleError, digest_of
from rl4lms.data_pools.columns import TARGETS
from rl4lms.data_pools.dataset import DataSet, Hub
from rl4lms.data_pools.local_files import SUFFIXES, read_file
from rl4lms.data_pools.sources import LocalSource, open_place
from rl4lms.data_pools.text_generation_pool import TextGenPool
from rl4lms.training.pools import digest_of_samples

DIGITS = 12  # of a digest in an id
POOLS, REWARDS, METRICS = DataPoolRegistry.table, RewardFunctionRegistry.table, MetricRegistry.table


def quick_start(
    model: str, algorithm: str, *, seq2seq: bool, n_iters: int, prompt_length: int, length: int
) -> dict[str, Any]:
    """The configuration of a run of which only this is known: 64 responses an iteration, 16 an optimiser step of PPO.

    prompt_length, length: of a prompt and of a response, in tokens. n_iters: of a supervised run, its epochs.
    """
    kind = "seq2seq" if seq2seq else "causal"
    generation: dict[str, Any] = {"do_sample": True, "top_k": 0, "max_new_tokens": length}
    given: dict[str, Any] = {"tokenizer": {"model_name": model}, "train_evaluation": {"eval_batch_size": 32}}
    if algorithm == "supervised":
        training = {"num_train_epochs": n_iters, "per_device_train_batch_size": 8, "learning_rate": 5e-5}
        alg = {"id": algorithm, "training_args": training, "model_type": kind, "model_name": model}
        given["tokenizer"]["max_length"] = prompt_length
        return {**given, "alg": {**alg, "generation_kwargs": {"do_sample": False, "max_new_tokens": length}}}
    args: dict[str, Any] = {"learning_rate": 1e-5}
    policy: dict[str, Any] = {"model_name": model, "generation_kwargs": generation}
    base = _shipped_base(algorithm)
    if (kind_of := group_arguments(base)) is not None:
        n = kind_of.completions_per_prompt
        args |= {"n_prompts": 64 // n, "completions_per_prompt": n}
        policy |= {"value_model": "none"}
    else:
        args |= {"n_steps": 4 * length, "minibatch": "episodes"}
        if base != "a2c":  # one update a rollout
            args |= {"batch_size": 16 * length}
        if base in ("ppo", "nlpo"):
            args |= {"n_epochs": 4}
    if base == "nlpo":
        policy |= {"mask_type": "learned_top_p", "top_mask": 0.9, "target_update_iterations": 5}
    policy_id = f"{'maskable_' if base == 'nlpo' else ''}{kind}_lm_actor_critic_policy"
    lengths = {"max_prompt_length": prompt_length, "max_episode_length": length, "terminate_on_eos": True}
    given["env"] = {"n_envs": 16, "args": lengths}
    given["alg"] = {
        "id": algorithm,
        "args": args,
        "kl_div": {"coeff": 0.0 if base in PUBLISHED_WITHOUT_KL else 0.05},
        "policy": {"id": policy_id, "args": policy},
    }
    given["train_evaluation"] |= {"n_iters": n_iters, "eval_every": max(1, n_iters // 5)}
    return given


def _shipped_base(algorithm: str) -> str:
    """The shipped algorithm that a class of the user's derives from, by id; "" if none. A shipped id is its own.

    A class straight from `GroupRollouts` is taken as one from GRPO.
    """
    table = AlgorithmRegistry.table
    if table.is_shipped(algorithm) or not table.admit(algorithm):
        return algorithm
    made = table.load(algorithm)
    for base in getattr(made, "__mro__", ()):
        for name in table.shipped():
            if table.load(name) is base:
                return name
    return "grpo" if getattr(made, "critic", None) is False else ""


def in_place(
    given: Mapping[str, Any], model: str | None, algorithm: str | None, n_iters: int | None, length: int | None
) -> dict[str, Any]:
    """Changes of a configuration by dotted key, of those arguments that are given."""
    alg = given.get("alg")
    supervised = isinstance(alg, Mapping) and alg.get("id") == "supervised"
    where = "alg" if supervised else "alg.policy.args"
    epochs = "alg.training_args.num_train_epochs" if supervised else "train_evaluation.n_iters"
    lengths = [f"{where}.generation_kwargs.max_new_tokens", *([] if supervised else ["env.args.max_episode_length"])]
    wanted = {"tokenizer.model_name": model, f"{where}.model_name": model, "alg.id": algorithm, epochs: n_iters}
    return {key: value for key, value in (wanted | dict.fromkeys(lengths, length)).items() if value is not None}


def data_section(data: Any, seed: int) -> dict[str, Any]:
    """The section `datapool` of an id, a component {id, args}, a file or folder, a class, or rows (`pool_of`)."""
    if isinstance(data, os.PathLike) or (isinstance(data, str) and data not in POOLS):
        place = LocalSource(data) if isinstance(data, os.PathLike) else open_place(Hub(data, names={}))
        if isinstance(place, LocalSource):
            return _local_rows(place)
    if isinstance(data, str) or (isinstance(data, Mapping) and isinstance(data.get("id"), str)):
        return named_component(POOLS, data, "data")
    if isinstance(data, type) and issubclass(data, TextGenPool):
        return named_component(POOLS, data, "data")
    pool = pool_of(data, seed)
    try:
        digest = "".join(digest_of_samples(pool.prepare(split)) for split in ("train", "val", "test"))
        name = f"rows@{digest_of(digest)[:DIGITS]}"
    except UndigestibleError:
        name = "rows@undigested"
    POOLS.add(name, pool)
    return {"id": name, "args": {}}


def _local_rows(place: LocalSource) -> dict[str, Any]:
    """The pool `messages` if the first row of train is a conversation, else `columns`; train is a file's only split."""
    path = place.data_dir
    if not path.exists():
        raise DataError(f"data: {path}: no such file or directory.")
    rows = DataSet("rows", {}, open=True)
    files = place.files(rows)
    if "train" not in files:
        raise DataError(f"data: {path}: no train file there; expected train{{{','.join(SUFFIXES)}}}.")
    first = next(iter(read_file(files["train"][0], rows)), {})
    if COLUMN in first or is_conversation(first.get("prompt")):
        return {"id": "messages", "args": {"path": str(path)}}
    return {"id": "columns", "args": {"path": str(path), "references": [name for name in TARGETS if name in first]}}


def reward_section(reward: Any) -> dict[str, Any]:
    """The section `reward_fn` of one reward; of several, [(weight, reward), ...] or {name: reward}, their sum.

    A reward is an id, a component {id, args}, a class, or a function.
    """
    if isinstance(reward, Mapping) and "id" not in reward:
        named = [(name, *_weighted(each)) for name, each in reward.items()]
    elif isinstance(reward, Sequence) and not isinstance(reward, str):
        named = [(None, *_weighted(each)) for each in reward]
    else:
        return named_component(REWARDS, reward, "reward")
    parts = [
        {**named_component(REWARDS, each, "reward"), "weight": weight, **({} if name is None else {"name": name})}
        for name, weight, each in named
    ]
    return {"id": "weighted", "args": {"rewards": parts}}


def _weighted(each: Any) -> tuple[float, Any]:
    return (float(each[0]), each[1]) if isinstance(each, tuple) and len(each) == 2 else (1.0, each)


def metric_sections(metrics: Sequence[Any] | None, reward: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The list `train_evaluation.metrics`; without one, the reward's functions, and the reward if it has more."""
    if metrics is not None:
        return [named_component(METRICS, each, "metrics") for each in metrics]
    parts = reward.get("args", {}).get("rewards", [reward])
    functions = [part for part in parts if _is_function(part)]
    for part in functions:
        METRICS.add(part["id"], REWARDS.load(part["id"]))
    whole = [] if len(functions) == len(parts) else [{"id": "reward", "args": {}}]
    return [{"id": part["id"], "args": dict(part.get("args") or {})} for part in functions] + whole


def _is_function(part: Mapping[str, Any]) -> bool:
    known = REWARDS.admit(part["id"]) and not REWARDS.is_shipped(part["id"])
    return known and takes_completions(REWARDS.load(part["id"]))


def named_component(table: Registry, value: Any, key: str) -> dict[str, Any]:
    """{id, args} of an id, of such a mapping, or of a class or function, which gets an id unless it has one."""
    if isinstance(value, str):
        return {"id": value, "args": {}}
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, type) and not takes_completions(value):
        found = getattr(value, "__name__", None) or f"an object of type {type(value).__name__}"
        raise ConfigError(
            f"{key}: {found}; expected an id, a class, or a function def {key}(prompts, completions, **columns)."
        )
    name = table.id_of(value)
    if name is None or "@" in name:  # what the function reads may have changed since
        name = id_of_object(value)
    table.add(name, value)
    return {"id": name, "args": {}}


def id_of_object(value: Any) -> str:
    """ "module:name" of what a module holds, which a YAML file may say, too; "name@digest" of anything else."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", type(value).__name__)
    if module not in (None, "__main__") and found_as(module, name) is value:
        return f"{module}:{name}"
    try:
        return f"{name.rpartition('.')[2].strip('<>')}@{digest_of(value)[:DIGITS]}"
    except UndigestibleError:
        return f"{name.rpartition('.')[2].strip('<>')}@undigested"
