# What is run: the suite, its params, and the parameters and code that each stage depends on.
import json
import sys
from functools import cache
from itertools import product
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

sys.path.insert(0, workflow.basedir)  # this checkout's params code, whatever is installed

from rl4lms.config.compose import algorithm_of, methods
from rl4lms.config.params import Params
from rl4lms.config.stages import stage_params
from rl4lms.core.errors import UserError

validate(config, schema="../schemas/config.schema.yaml")
OVERRIDES = workflow.config_settings.overwrite_config  # what --config and --configfile say
SETTABLE = ["suite", "tasks", "algs", "seeds", "data_dir", "container"]
if not OVERRIDES.keys() <= set(SETTABLE):
    raise WorkflowError(
        f"--config sets {', '.join(SETTABLE)}; found {', '.join(OVERRIDES)}. Every other number is in params/."
    )


class Run(NamedTuple):
    task: str
    method: str
    seed: int


def suite_params():
    """The suite's params, all files checked before any job starts."""
    try:
        params = Params.open("params", config["suite"])
        for task in params.grue()["tasks"]:
            params.task(task)
        for alg in params.algs():
            params.alg(alg)
        params.base_models(), params.reward_models(), params.resources()
    except UserError as error:
        raise WorkflowError(str(error)) from None
    return params


def chosen(key):
    """The suite's list of tasks, algs or seeds, or what --config asks for (which gives texts).

    That is a part of the suite's tasks and seeds, but any algorithm that has params.
    """
    listed = PARAMS.grue()[key]
    known = listed + [alg for alg in PARAMS.algs() if alg not in listed] if key == "algs" else listed
    wanted = [str(item) for item in OVERRIDES.get(key, listed)]
    if unknown := [item for item in wanted if item not in map(str, known)]:
        raise WorkflowError(f"--config {key}: {unknown} not in suite {SUITE}, whose {key} are {known}.")
    return [item for item in known if str(item) in wanted]


PARAMS = suite_params()
SUITE = PARAMS.suite
TASKS, ALGS, SEEDS = chosen("tasks"), chosen("algs"), chosen("seeds")
WHOLE = [TASKS, ALGS, SEEDS] == [PARAMS.grue()[key] for key in ("tasks", "algs", "seeds")]
METHODS = methods(ALGS)
RL_METHODS = [method for method in METHODS if algorithm_of(method)]
RUNS = [Run(*run) for run in product(TASKS, METHODS, SEEDS)]
FAMILY_OF = {task: PARAMS.task(task)["model"]["family"] for task in PARAMS.grue()["tasks"]}
REWARD_MODEL_OF = {entry["task"]: name for name, entry in PARAMS.reward_models().items()}
FAMILIES = sorted({FAMILY_OF[task] for task in TASKS})
REWARD_MODELS = sorted({REWARD_MODEL_OF[task] for task in TASKS if task in REWARD_MODEL_OF})
RESERVED = PARAMS.resources()
N_THREADS = PARAMS.grue()["n_threads"]

# The code that a stage's result depends on, in rl4lms/: packages, and single modules of those that serve many stages.
_EVERY_STAGE = ["cli/main.py", "config", "core"]
_SCORING = ["data_pools", "metrics", "numerics", "policies", "rewards", "rollouts", "tokenization"]
CODE = {
    "prepare": ["cli/prepare.py", "data_pools"],
    "base-model": [
        "cli/base_model.py",
        "tokenization",
        "training/base_model.py",
        "training/checkpoint.py",
        "training/fitting.py",
        "training/lm_data.py",
        "training/preemption.py",
    ],
    "reward-model": [
        "cli/reward_model.py",
        "metrics/base.py",
        "metrics/classifier.py",
        "metrics/learned.py",
        "tokenization",
        "training/checkpoint.py",
        "training/fitting.py",
        "training/lm_data.py",
        "training/preemption.py",
        "training/reward_model.py",
    ],
    "supervised": [
        "cli/supervised.py",
        "data_pools",
        "evaluation/evaluator.py",
        "evaluation/generation.py",
        "metrics/base.py",
        "numerics",
        "policies",
        "tokenization",
        "tracking",
        "training/checkpoint.py",
        "training/exact_trainer.py",
        "training/fitting.py",
        "training/lm_data.py",
        "training/preemption.py",
        "training/split_evaluation.py",
        "training/supervised.py",
        "training/supervised_data.py",
    ],
    "train": [
        "algorithms",
        "cli/train.py",
        "envs",
        "evaluation/evaluator.py",
        "evaluation/generation.py",
        "tracking",
        "training/builders.py",
        "training/checkpoint.py",
        "training/on_policy.py",
        "training/preemption.py",
        "training/split_evaluation.py",
        *_SCORING,
    ],
    "evaluate": [
        "cli/evaluate.py",
        "evaluation/evaluator.py",
        "evaluation/generation.py",
        "evaluation/reward_scores.py",
        "evaluation/scores.py",
        "evaluation/suite.py",
        "evaluation/task_scoring.py",
        *_SCORING,
    ],
    "aggregate": ["cli/aggregate.py", "evaluation"],
}


def code(stage):
    """The sources of a stage, as files of the checkout wherever results are stored."""
    package = Path(workflow.basedir, "rl4lms")
    roots = [package / name for name in [*_EVERY_STAGE, *CODE[stage]]]
    files = {file for root in roots for file in (root.rglob("*") if root.is_dir() else [root]) if not file.is_dir()}
    names = sorted(str(file.relative_to(workflow.basedir)) for file in files if "__pycache__" not in file.parts)
    return [local(name) for name in names]


def cores(rule):
    """The cores that a scheduler reserves for a job of a rule; how many torch uses is n_threads."""
    return RESERVED[rule]["threads"] or N_THREADS


def reserved(rule):
    """The resources of a rule: memory grows with each attempt, and GPUs are named where there are any."""
    job = RESERVED[rule]
    gpus = {"gpu": job["gpus"]} if job["gpus"] else {}
    return {"mem_mb": lambda wildcards, attempt: job["mem_mb"] * attempt, "runtime": job["runtime"], **gpus}


def pick(stage):
    """Params function: just the keys that a stage reads, in one canonical form (the trigger compares text)."""
    return lambda wildcards: _numbers(stage, **{k: v for k, v in wildcards.items() if k != "seed"})


@cache
def _numbers(stage, **names):
    return json.dumps(stage_params(PARAMS, stage, **names), sort_keys=True)


wildcard_constraints:
    task="|".join(FAMILY_OF),
    method="|".join(METHODS),
    seed=r"\d+",
    family="|".join(PARAMS.base_models()),
    name="|".join(PARAMS.reward_models()),
