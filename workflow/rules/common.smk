# What is run: the suite, its params, and the parameters and code that each stage depends on.
import json
import sys
from functools import cache
from itertools import product
from pathlib import Path
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
        for alg in params.grue()["algs"]:
            params.alg(alg)
        params.base_models(), params.reward_models()
    except UserError as error:
        raise WorkflowError(str(error)) from None
    return params


def chosen(key):
    """The suite's list of tasks, algs or seeds, or the part of it that --config asks for."""
    known = PARAMS.grue()[key]
    wanted = OVERRIDES.get(key, known)
    if unknown := [item for item in wanted if item not in known]:
        raise WorkflowError(f"--config {key}: {unknown} not in suite {SUITE}, whose {key} are {known}.")
    return wanted


PARAMS = suite_params()
SUITE = PARAMS.suite
TASKS, ALGS, SEEDS = chosen("tasks"), chosen("algs"), chosen("seeds")
METHODS = methods(ALGS)
RL_METHODS = [method for method in METHODS if algorithm_of(method)]
RUNS = [Run(*run) for run in product(TASKS, METHODS, SEEDS)]
FAMILY_OF = {task: PARAMS.task(task)["model"]["family"] for task in TASKS}
FAMILIES = sorted(set(FAMILY_OF.values()))
REWARD_MODEL_OF = {entry["task"]: name for name, entry in PARAMS.reward_models().items() if entry["task"] in TASKS}
REWARD_MODELS = sorted(REWARD_MODEL_OF.values())
N_THREADS = PARAMS.grue()["n_threads"]

# The code that a stage's result depends on: modules and packages of rl4lms/, a superset of what it imports.
_EVERY_STAGE = ["__init__.py", "__main__.py", "cli/main.py", "core", "config"]
_TEXT = ["numerics", "data_pools", "tokenization"]
_SCORING = ["metrics", "rewards", "policies", "evaluation"]
CODE = {
    "prepare": ["cli/prepare.py", "data_pools"],
    "base-model": ["cli/base_model.py", *_TEXT, "training"],
    "reward-model": ["cli/reward_model.py", *_TEXT, "training"],
    "supervised": ["cli/supervised.py", *_TEXT, *_SCORING, "tracking", "training"],
    "train": ["cli/train.py", *_TEXT, *_SCORING, "tracking", "envs", "rollouts", "algorithms", "training"],
    "evaluate": ["cli/evaluate.py", *_TEXT, *_SCORING],
    "aggregate": ["cli/aggregate.py", "evaluation"],
}


def code(stage):
    """The sources of a stage, as files."""
    paths = [Path(workflow.basedir, "rl4lms", name) for name in [*_EVERY_STAGE, *CODE[stage]]]
    files = [path for root in paths for path in ([root] if root.suffix else sorted(root.rglob("*.py")))]
    return [str(path.relative_to(workflow.basedir)) for path in files]


def pick(stage):
    """Params function: just the keys that a stage reads, in one canonical form (the trigger compares text)."""
    return lambda wildcards: _numbers(stage, **{k: v for k, v in wildcards.items() if k != "seed"})


@cache
def _numbers(stage, **names):
    return json.dumps(stage_params(PARAMS, stage, **names), sort_keys=True)


wildcard_constraints:
    task="|".join(TASKS),
    method="|".join(METHODS),
    seed=r"\d+",
    family="|".join(FAMILIES),
    name="|".join(REWARD_MODELS),
