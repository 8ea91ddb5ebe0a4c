# What is run: the suite, its params, and the parameters and code that each stage depends on.
import json
import os
import re
import sys
from functools import cache
from itertools import product
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from snakemake.exceptions import WorkflowError
from snakemake.io import contains_wildcard
from snakemake.utils import validate

sys.path.insert(0, workflow.basedir)  # this checkout's params code, whatever is installed

from rl4lms.cli.suite_check import check_suite
from rl4lms.config.compose import algorithm_of, methods
from rl4lms.config.params import Params
from rl4lms.config.stages import stage_params
from rl4lms.core.errors import UserError
from rl4lms.data_pools.local_rows import local_rows

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


def refused(function, *arguments):
    """What a function of the library returns; what it refuses ends the workflow in one line."""
    try:
        return function(*arguments)
    except UserError as error:
        raise WorkflowError(str(error)) from None


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


PARAMS = refused(Params.open, "params", config["suite"])
refused(PARAMS.grue)
SUITE = PARAMS.suite
TASKS, ALGS, SEEDS = chosen("tasks"), chosen("algs"), chosen("seeds")
WHOLE = [TASKS, ALGS, SEEDS] == [PARAMS.grue()[key] for key in ("tasks", "algs", "seeds")]
METHODS = methods(ALGS)
RL_METHODS = [method for method in METHODS if algorithm_of(method)]
refused(check_suite, PARAMS, ALGS)
RUNS = [Run(*run) for run in product(TASKS, METHODS, SEEDS)]
FAMILY_OF = {task: PARAMS.task(task)["model"]["family"] for task in PARAMS.grue()["tasks"]}
REWARD_MODEL_OF = {entry["task"]: name for name, entry in PARAMS.reward_models().items()}
FAMILIES = sorted({FAMILY_OF[task] for task in TASKS})
# A family reads the text of its tasks, whether or not they are of the suite.
PREPARED = {*TASKS, *(task for family in FAMILIES for task in PARAMS.base_model(family)["tasks"])}
REWARD_MODELS = sorted({REWARD_MODEL_OF[task] for task in TASKS if task in REWARD_MODEL_OF})
RESERVED = PARAMS.resources()
N_THREADS = PARAMS.grue()["n_threads"]


def own_data(task):
    """The directory that --config names for a task's rows, spelt in one way; None leaves it to params."""
    given = OVERRIDES.get("data_dir")
    directory = given.get(task) if isinstance(given, dict) else given
    if not directory:
        return None
    path = os.path.abspath(os.path.expanduser(directory))
    inside = os.path.relpath(path)
    return path if inside.startswith(os.pardir) else inside


if isinstance(OVERRIDES.get("data_dir"), dict):
    if unlisted := [task for task in OVERRIDES["data_dir"] if task not in {*FAMILY_OF, *PREPARED}]:
        raise WorkflowError(f"--config data_dir: {unlisted} not in suite {SUITE}, whose tasks are {[*FAMILY_OF]}.")
ROWS = {task: [str(path) for path in refused(local_rows, PARAMS, task, own_data(task))] for task in sorted(PREPARED)}
for path in sum(ROWS.values(), []):
    if contains_wildcard(path):
        raise WorkflowError(
            f"data_dir: {path}: Snakemake takes names in braces for wildcards; name a link without any."
        )

# The code that a stage's result depends on, in rl4lms/: packages, and single modules of those that serve many stages.
_EVERY_STAGE = ["cli/main.py", "config", "core"]
_SCORING = ["data_pools", "metrics", "numerics", "policies", "rewards", "rollouts", "tokenization"]
CODE = {
    "prepare": ["cli/prepare.py", "data_pools"],
    "base-model": [
        "cli/base_model.py",
        "data_pools/layouts.py",
        "data_pools/published.py",
        "data_pools/row_check.py",
        "tokenization",
        "training/base_model.py",
        "training/checkpoint.py",
        "training/fitting.py",
        "training/lm_data.py",
        "training/preemption.py",
    ],
    "reward-model": [
        "cli/reward_model.py",
        "data_pools/layouts.py",
        "data_pools/published.py",
        "data_pools/row_check.py",
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
        "metrics",
        "numerics",
        "policies",
        "tokenization",
        "tracking",
        "training/checkpoint.py",
        "training/exact_trainer.py",
        "training/identity.py",
        "training/lm_data.py",
        "training/model_checks.py",
        "training/one_decoding.py",
        "training/pools.py",
        "training/preemption.py",
        "training/split_evaluation.py",
        "training/supervised.py",
        "training/supervised_data.py",
        "training/trainer_arguments.py",
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
        "training/identity.py",
        "training/model_checks.py",
        "training/on_policy.py",
        "training/one_decoding.py",
        "training/pools.py",
        "training/preemption.py",
        "training/split_evaluation.py",
        *_SCORING,
    ],
    "evaluate": [
        "cli/evaluate.py",
        "evaluation/evaluator.py",
        "evaluation/generation.py",
        "evaluation/reward_scores.py",
        "evaluation/task_scoring.py",
        *_SCORING,
    ],
    "aggregate": ["cli/aggregate.py", "results"],
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


def one_of(names):
    """Regular expression of a wildcard that is one of these names; of none, one that matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    task=one_of(FAMILY_OF),
    method=one_of(METHODS),
    seed=r"\d+",
    family=one_of(PARAMS.base_models()),
    name=one_of(PARAMS.reward_models()),
