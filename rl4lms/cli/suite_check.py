"""Is a whole suite sound? Its files, ids, arguments, metrics, bounds and models, checked before the first job.

The Snakefile asks when it is read, and `prepare`, with which DVC begins, so that no job finds after hours what was
wrong from the beginning. Every other stage checks its own part when it starts. No model library is imported.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rl4lms.config.compose import (
    BASELINES,
    LEARNED,
    algorithm_of,
    compose_rl,
    compose_supervised,
    methods,
    source_of,
    task_params,
)
from rl4lms.config.inputs import check_paths
from rl4lms.config.params import Params
from rl4lms.config.schema import ComponentConfig, RunConfig
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.tables import TASKS
from rl4lms.results.suite import SuiteSettings
from rl4lms.tasks.task import task_of
from rl4lms.training.dry_run import check_components, result_keys

# Stand for what a job makes, or is told: a directory that is there, and models that are not.
_PLACES = {"data_dir": Path(), "model_dir": Path("made-by-base-model")}
_CLASSIFIER = Path("made-by-reward-model")


def check_suite(params: Params, algs: Iterable[str] = ()) -> None:
    """algs: algorithms that are asked for beside the suite's. Raises ConfigError for the first fault, in one line."""
    grue = params.grue()
    where = f"{params.directory}/grue.yaml"
    for key in ("tasks", "algs", "baselines", "seeds", "starts"):
        _check_list(grue[key], f"{where}: {key}", may_be_empty=key in ("algs", "baselines"))
    for baseline in grue["baselines"]:
        if baseline not in BASELINES:
            raise ConfigError(unknown("baseline", baseline, BASELINES, f"{where}: baselines"))
    for alg in grue["algs"]:
        if alg not in (known := params.algs()):
            raise ConfigError(unknown("algorithm", alg, known, f"{where}: algs"))
    params.resources()
    # An algorithm that is not run still shows the evaluation.
    run = list(dict.fromkeys([*grue["algs"], *algs])) or params.algs()[:1]
    for task in grue["tasks"]:
        _check_task(params, task, methods(run, starts=grue["starts"]), grue["seeds"])
    SuiteSettings.from_params(params)


def check_stage(params: Params, stage: str, asked: argparse.Namespace) -> None:
    """What the stage's job reads; of `prepare`, and of a command that names no part, the whole suite.

    asked: the task, method, family and name of the job, each None where it has none.
    """
    if stage == "base-model" and asked.family:
        _check_family(params, asked.family, params.base_model(asked.family))
    elif stage == "reward-model" and asked.name:
        _check_source(params.reward_model(asked.name), f"{params.directory}/reward_models.yaml: {asked.name}")
    elif stage in ("supervised", "train") and asked.task:
        task_params(params, asked.task)
        _check_task(params, asked.task, [asked.method or "supervised"], [0])
    else:
        check_suite(params)


def _check_task(params: Params, task: str, methods: Sequence[str], seeds: Sequence[int]) -> None:
    _check_models(params, task)
    _check_data(params, task, f"{params.directory}/grue.yaml: tasks")
    _check_runs(params, task, methods, seeds)
    _check_metrics(params, task)


def _check_list(items: Sequence[Any], where: str, *, may_be_empty: bool) -> None:
    if not items and not may_be_empty:
        raise ConfigError(f"{where}: empty; expected at least one.")
    for i, item in enumerate(items):
        if item in items[:i]:
            raise ConfigError(f"{where}: {item} is there twice; name it once.")


def _check_models(params: Params, task: str) -> None:
    """The base model's family, and the classifier of a task whose reward or metrics need one."""
    p, where = params.task(task), _file(params, task)
    families, file = params.base_models(), f"{params.directory}/base_models.yaml"
    family, kind = p["model"]["family"], p["model"]["type"]
    if family not in families:
        raise ConfigError(unknown("model family", family, families, f"{where}: model.family"))
    if families[family]["type"] != kind:
        raise ConfigError(f"{where}: model.type: {kind}, but {file} says {family}.type: {families[family]['type']}.")
    _check_family(params, family, families[family])
    if task not in families[family]["tasks"]:
        raise ConfigError(f"{file}: {family}.tasks: lacks {task}, whose model.family is {family}; add it there.")
    components = [p["reward_fn"], *p["evaluation"]["metrics"]]
    needing = [each["id"] for each in components if each["id"] in LEARNED and "model_name" not in each["args"]]
    classifiers = {name: entry for name, entry in params.reward_models().items() if entry["task"] == task}
    file = f"{params.directory}/reward_models.yaml"
    if needing and not classifiers:
        raise ConfigError(f"{where}: {needing[0]} needs a classifier; give {file} one whose task is {task}.")
    for name, entry in classifiers.items():
        _check_source(entry, f"{file}: {name}")


def _check_family(params: Params, family: str, model: Mapping[str, Any]) -> None:
    """A family reads the text of tasks that may be of no suite's own."""
    file = f"{params.directory}/base_models.yaml"
    _check_source(model, f"{file}: {family}")
    for task in model["tasks"]:
        _check_data(params, task, f"{file}: {family}.tasks")


def _check_source(model: Mapping[str, Any], where: str) -> None:
    """A model is taken by its name or trained; a path that is named exists."""
    name = model["model_name"]
    if name is None and (model["tokenizer"] is None or model["training"] is None):
        raise ConfigError(f"{where}: expected model_name, or tokenizer and training.")
    if name is not None and name.startswith(("/", "./", "../", "~")) and not Path(name).expanduser().exists():
        raise ConfigError(f"{where}.model_name: {name}: no such file or directory.")


def _check_data(params: Params, task: str, where: str) -> None:
    if task not in TASKS.ids() and task not in params.tasks():
        raise ConfigError(TASKS.unknown(task, where))
    data = params.task(task)["data"]
    if task not in TASKS.ids():
        raise ConfigError(f"{_file(params, task)}: {task} is none of our tasks; expected the module that has its TASK.")
    if task_of(task).rows is None and data["source"] == "generator" and data["data_dir"] is None:
        raise ConfigError(f"{_file(params, task)}: data.source: generator, but {task} has none; say data.data_dir.")
    where = f"{_file(params, task)}: data"
    if data["source"] == "generator" and data["data_dir"] is None:
        for key in ("n_train", "n_val", "n_test"):
            if data[key] is None:
                raise ConfigError(f"{where}.{key}: the generator needs a number of rows, found null.")


def _check_runs(params: Params, task: str, methods: Sequence[str], seeds: Sequence[int]) -> None:
    """Every run's configuration, as its stage will read it."""
    for method in methods:
        if method == "supervised":
            for seed in seeds:
                _read(params, task, method, compose_supervised(params, task, seed, **_PLACES))
        elif algorithm_of(method) is not None:
            composed = compose_rl(params, task, method, seeds[0], reward_model_dir=_CLASSIFIER, **_PLACES)
            _read(params, task, method, composed)


def _read(params: Params, task: str, method: str, composed: Mapping[str, Any]) -> None:
    source = source_of(params, task, method)
    config = RunConfig.from_dict(composed, source)
    check_paths(config, source)
    check_components(config, source)


def _check_metrics(params: Params, task: str) -> None:
    """The main metric, and what keep_best goes by, are names that a metric of the task gives."""
    evaluation, where = params.task(task)["evaluation"], f"{_file(params, task)}: evaluation"
    wanted = {"main_metric": evaluation["main_metric"]}
    if evaluation["keep_best"] is not None:
        wanted["keep_best.metric"] = evaluation["keep_best"]["metric"]
    keys = [result_keys(ComponentConfig(**metric)) for metric in evaluation["metrics"]]
    known = [key for each in keys for key in each or ()]
    for name, key in wanted.items():
        if key not in known and None not in keys:
            raise ConfigError(unknown("metric", key, known, f"{where}.{name}, of what evaluation.metrics give"))


def _file(params: Params, task: str) -> str:
    return f"{params.directory}/tasks/{task}.yaml"
