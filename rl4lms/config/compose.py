"""From params/ to one run: published-schema configurations that the training script could run by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rl4lms.config.arguments import ALGORITHM_ARGUMENTS, PUBLISHED_WITHOUT_KL, group_arguments
from rl4lms.config.overrides import noted, override
from rl4lms.config.params import RUN, Params, merge
from rl4lms.config.params_schema import STARTS
from rl4lms.config.reader import hints
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.tables import AlgorithmRegistry

ZERO_SHOT, SUPERVISED = STARTS
BEST_OF_N = "best_of_n"
BASELINES = (BEST_OF_N,)  # methods without RL that a suite may have beside those two
WARM_START = f"{SUPERVISED}_"
LEARNED = ("learned_reward", "intent_accuracy")  # ids that need a classifier, as reward and as metric


def methods(algs: Iterable[str], baselines: Iterable[str] = (), starts: Iterable[str] = STARTS) -> list[str]:
    """All methods of a suite: those without RL, then each algorithm from each of its starts."""
    names = list(algs)
    prefixes = {ZERO_SHOT: "", SUPERVISED: WARM_START}
    return [*STARTS, *baselines, *(prefixes[start] + name for start in STARTS if start in starts for name in names)]


def algorithm_of(method: str) -> str | None:
    """The RL algorithm of a method; None for zero_shot, supervised and the baselines."""
    return None if method in (ZERO_SHOT, SUPERVISED, *BASELINES) else method.removeprefix(WARM_START)


def starting_point(method: str) -> str:
    """The method whose model an RL method or a baseline starts from."""
    return SUPERVISED if method.startswith(WARM_START) or method in BASELINES else ZERO_SHOT


def run_of(method: str) -> str:
    """The method whose training made the model that is evaluated: a baseline has no training of its own."""
    return starting_point(method) if method in BASELINES else method


def source_of(params: Params, task: str, method: str) -> str:
    """What the line of an error begins with: the files that a run is composed of."""
    algorithm = algorithm_of(method)
    over = "" if algorithm is None else f" over algs/{algorithm}.yaml"
    source = f"{params.directory}/tasks/{task}.yaml{over} (suite {params.suite}, {method})"
    return noted(source, params.changes.get(RUN))


def compose_supervised(
    params: Params, task: str, seed: int, *, data_dir: str | Path, model_dir: str | Path
) -> dict[str, Any]:
    """The warm start of a task, without metrics: the stage `evaluate` scores its model."""
    p = task_params(params, task)
    pool = p["supervised"]["datapool"] or {"id": p["data"]["pool"], "args": p["data"]["args"]}
    run = {
        "tokenizer": {"model_name": str(model_dir), **_present(p["tokenizer"])},
        "datapool": {"id": pool["id"], "args": {"data_dir": str(data_dir), **pool["args"]}},
        "alg": {
            "id": "supervised",
            "training_args": p["supervised"]["training_args"],
            "model_type": p["model"]["type"],
            "model_name": str(model_dir),
            "lora": p["supervised"]["lora"],
        },
        "train_evaluation": {"eval_batch_size": p["supervised"]["eval_batch_size"]},
        "seed": seed,
        **_process(params),
    }
    return override(run, params.changes.get(RUN, {}))


def compose_rl(
    params: Params,
    task: str,
    method: str,
    seed: int,
    *,
    data_dir: str | Path,
    model_dir: str | Path,
    reward_model_dir: str | Path | None = None,
) -> dict[str, Any]:
    """One RL run: params/algs/<alg>.yaml, the task's `rl` over it, and what the algorithm says of that task over both.

    For a warm start each has its `supervised` over it. The values of a point of a search are over all of these.
    """
    p = task_params(params, task)
    alg, merged = _algorithm(params, p, task, method)
    policy_id, kind = merged["policy"].get("id", "auto"), p["model"]["type"]
    if policy_id == "auto":
        masked = alg["id"] == "nlpo" or "top_mask" in merged["policy"].get("args", {})
        policy_id = f"{'maskable_' if masked else ''}{kind}_lm_actor_critic_policy"
    run = {
        "tokenizer": {"model_name": str(model_dir), **_present(p["tokenizer"])},
        "reward_fn": _with_classifier(
            {**p["reward_fn"], "args": merged["reward_args"]}, reward_model_dir, f"task {task}: reward_fn"
        ),
        "datapool": {"id": p["data"]["pool"], "args": {"data_dir": str(data_dir), **p["data"]["args"]}},
        "env": {**p["env"], "args": merged["env_args"]},
        "alg": {
            "id": alg["id"],
            "args": _budget(alg["id"], merged["args"], p["env"].get("n_envs", 1)),
            "kl_div": _present(merged["kl_div"]),
            "policy": {
                "id": policy_id,
                "args": {
                    "model_name": str(model_dir),
                    "prompt_truncation_side": merged["env_args"].get("prompt_truncation_side", "left"),
                    **merged["policy"].get("args", {}),
                    "generation_kwargs": merged["generation"],
                },
            },
        },
        "train_evaluation": {
            "eval_batch_size": p["evaluation"]["eval_batch_size"],
            "n_iters": merged["n_iters"],
            "total_tokens": merged["total_tokens"],
            "eval_every": p["evaluation"]["eval_every"],
            "save_every": p["evaluation"]["save_every"],
            "keep_best": p["evaluation"]["keep_best"],
            "metrics": compose_metrics(
                p["evaluation"]["metrics"], model_dir=model_dir, reward_model_dir=reward_model_dir
            ),
            "generation_kwargs": evaluation_generation(p),
        },
        "seed": seed,
        **_process(params),
    }
    return override(run, params.changes.get(RUN, {}))


def _process(params: Params) -> dict[str, Any]:
    grue = params.grue()
    return {"n_threads": grue["n_threads"], "kernels": grue["kernels"]}


def _algorithm(
    params: Params, task_params: Mapping[str, Any], task: str, method: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(params/algs/<alg>.yaml, its parts and the task's that it may change, with all changes made)."""
    known = params.algs()
    name = algorithm_of(method)
    if name not in known:
        raise ConfigError(unknown("method", method, (m for m in methods(known) if algorithm_of(m)), "--method"))
    alg = params.alg(name)
    of_task, own = params.rl(task), alg.get("tasks", {}).get(task, {})
    changes = [_for(alg["id"], of_task), own]
    if starting_point(method) == "supervised":
        warm = _for(alg["id"], of_task.get("supervised", {}))
        changes = [alg.get("supervised", {}), changes[0], warm, own, own.get("supervised", {})]
    changes.append(alg.get("point", {}))
    merged: dict[str, Any] = {k: alg.get(k, {}) for k in ("args", "kl_div", "policy")} | {
        "generation": task_params["generation"],
        "env_args": task_params["env"].get("args", {}),
        "reward_args": task_params["reward_fn"]["args"],
    }
    for change in changes:
        merged = merge(merged, {k: _said(change[k]) for k in merged if change.get(k)})
    lengths = {
        key: next((each[key] for each in reversed(changes) if each.get(key)), None)
        for key in ("n_iters", "total_tokens")
    }
    return alg, merged | lengths


def _for(algorithm: str, of_task: Mapping[str, Any]) -> dict[str, Any]:
    """What a task says to all algorithms, for one of them.

    An algorithm that is published without a penalty for the KL has the one of its own file, and none takes a weight of
    the entropy that it does not have.
    """
    change = dict(of_task)
    kind = ALGORITHM_ARGUMENTS.get(algorithm) if AlgorithmRegistry.table.is_shipped(algorithm) else None
    if kind is not None and "ent_coef" not in hints(kind) and change.get("args"):
        change["args"] = {name: value for name, value in change["args"].items() if name != "ent_coef"}
    if kind is not None and algorithm in PUBLISHED_WITHOUT_KL:
        change.pop("kl_div", None)
    return change


def _budget(algorithm: str, args: Mapping[str, Any], n_envs: int) -> dict[str, Any]:
    """The arguments with the size of an iteration in the algorithm's own unit.

    Tasks give it in tokens, as `n_steps` of each environment, so that algorithms may be compared. An algorithm of
    groups samples as many, in whole groups, unless `n_prompts` or `n_tokens` is given. A class of the user's is one if
    its arguments have `completions_per_prompt`.
    """
    kind = group_arguments(algorithm) if AlgorithmRegistry.table.is_shipped(algorithm) else None
    if (kind is None and "completions_per_prompt" not in args) or "n_steps" not in args:
        return dict(args)
    own = {name: value for name, value in args.items() if name != "n_steps"}
    return own if "n_prompts" in own else {"n_tokens": args["n_steps"] * n_envs, **own}


def compose_metrics(
    metrics: Iterable[Mapping[str, Any]], *, model_dir: str | Path, reward_model_dir: str | Path | None
) -> list[dict[str, Any]]:
    """Metric ids and arguments with the models that the command line gave."""
    composed = []
    for metric in metrics:
        if metric["id"] in LEARNED:
            metric = _with_classifier(metric, reward_model_dir, f"metric {metric['id']}")
        elif metric["id"] == "causal_perplexity":
            metric = {"id": metric["id"], "args": {"tokenizer_id": str(model_dir), **metric["args"]}}
        composed.append({"id": metric["id"], "args": dict(metric["args"])})
    return composed


def evaluation_generation(task: Mapping[str, Any]) -> dict[str, Any]:
    """What evaluation decodes with: the task's `generation`, under `evaluation.generation`."""
    return merge(task["generation"], task["evaluation"]["generation"])


def candidate_generation(task: Mapping[str, Any], sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Samples in place of evaluation's own decoding, under its rules. sampling: `best_of_n` of the suite."""
    given = {key: sampling[key] for key in ("temperature", "top_k", "top_p")}
    return evaluation_generation(task) | {"do_sample": True, "num_beams": 1} | _present(given)


def task_params(params: Params, task: str) -> dict[str, Any]:
    """A task's params; ConfigError for one that the suite does not have."""
    known = params.grue()["tasks"]
    if task not in known:
        raise ConfigError(unknown("task", task, known, f"suite {params.suite}"))
    return params.task(task)


def _with_classifier(component: Mapping[str, Any], directory: str | Path | None, what: str) -> dict[str, Any]:
    arguments = dict(component["args"])
    if component["id"] in LEARNED:
        if directory is not None:
            arguments["model_name"] = str(directory)
        elif "model_name" not in arguments:
            raise ConfigError(f"{what}: {component['id']} needs a classifier; give its directory with --reward-model.")
    return {"id": component["id"], "args": arguments}


def _said(change: Mapping[str, Any]) -> dict[str, Any]:
    """What a change gives of a section: its default policy, "auto", is no change of one that is named before it."""
    return {k: v for k, v in change.items() if v is not None and (k, v) != ("id", "auto")}


def _present(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in mapping.items() if v is not None}
