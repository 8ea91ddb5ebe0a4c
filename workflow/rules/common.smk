# What is run: the suite, its params, and the numbers and code that each job depends on.
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
from snakemake.logging import logger
from snakemake.utils import validate

# This checkout's params code, whatever is installed; Snakemake reads Snakefile or workflow/Snakefile.
BASE = Path(workflow.basedir)
sys.path.insert(0, str(BASE.parent if BASE.name == "workflow" else BASE))

from rl4lms.cli import warm
from rl4lms.cli.main import QUIET_LIBRARIES
from rl4lms.cli.suite_check import check_suite
from rl4lms.config.compose import BASELINES, algorithm_of, methods
from rl4lms.config.params import Params
from rl4lms.config.recipes import job_code_digest
from rl4lms.config.stages import stage_params
from rl4lms.core.errors import UserError
from rl4lms.core.kernels import environment
from rl4lms.tasks.local_rows import local_rows

validate(config, schema="../schemas/config.schema.yaml")
OVERRIDES = workflow.config_settings.overwrite_config  # what --config and --configfile say
SETTABLE = ["suite", "tasks", "algs", "baselines", "seeds", "data_dir", "container"]
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
    """The suite's list of tasks, algs, baselines or seeds, or what --config asks for (which gives texts).

    That is a part of the suite's tasks and seeds, but any algorithm that has params, and any baseline.
    """
    listed = PARAMS.grue()[key]
    others = {"algs": PARAMS.algs(), "baselines": BASELINES}.get(key, ())
    known = listed + [item for item in others if item not in listed]
    wanted = [str(item) for item in OVERRIDES.get(key, listed)]
    if unknown := [item for item in wanted if item not in map(str, known)]:
        raise WorkflowError(f"--config {key}: {unknown} not in suite {SUITE}, whose {key} are {known}.")
    return [item for item in known if str(item) in wanted]


PARAMS = refused(Params.open, "params", config["suite"])
refused(PARAMS.grue)
SUITE = PARAMS.suite
PARTS = ("tasks", "algs", "baselines", "seeds")
TASKS, ALGS, CHOSEN_BASELINES, SEEDS = map(chosen, PARTS)
WHOLE = [TASKS, ALGS, CHOSEN_BASELINES, SEEDS] == [PARAMS.grue()[key] for key in PARTS]
if not WHOLE and workflow.is_main_process:
    logger.warning(f"--config names a part of suite {SUITE}: runs and scores are made, tables are of the whole suite.")
METHODS = methods(ALGS, CHOSEN_BASELINES, PARAMS.grue()["starts"])
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


def cores(rule):
    """The cores that a scheduler reserves for a job of a rule; how many torch uses is n_threads."""
    return RESERVED[rule]["threads"] or N_THREADS


def reserved(rule):
    """The resources of a rule: memory grows with each attempt, and GPUs are named where there are any."""
    job = RESERVED[rule]
    gpus = {"gpu": job["gpus"]} if job["gpus"] else {}
    return {"mem_mb": lambda wildcards, attempt: job["mem_mb"] * attempt, "runtime": job["runtime"], **gpus}


def numbers(stage):
    """Params function: just the keys that a stage reads, in one canonical form (the trigger compares text)."""
    return lambda wildcards: _numbers(stage, **_names(wildcards))


def code(stage):
    """Params function: the digest of the code that a job runs."""
    return lambda wildcards: _code(stage, **_names(wildcards))


def _names(wildcards):
    return {name: value for name, value in wildcards.items() if name != "seed"}


@cache
def _numbers(stage, **names):
    return json.dumps(stage_params(PARAMS, stage, **names), sort_keys=True)


@cache
def _code(stage, **names):
    return job_code_digest(PARAMS, stage, **names)


def warm_environment():
    """Start the process that forks for the jobs of this machine; the environment variable that names it to them."""
    quiet = {name: os.environ.get(name, value) for name, value in QUIET_LIBRARIES.items()}
    place = warm.start(environment(PARAMS.grue()["kernels"], N_THREADS) | quiet)
    return {warm.SOCKET: place} if place else {}


def one_of(names):
    """Regular expression of a wildcard that is one of these names; of none, one that matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    task=one_of(FAMILY_OF),
    method=one_of(METHODS),
    seed=r"\d+",
    family=one_of(PARAMS.base_models()),
    name=one_of(PARAMS.reward_models()),
