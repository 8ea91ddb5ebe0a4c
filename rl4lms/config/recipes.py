"""What a job of the benchmark depends on besides its input files: its code and its numbers, each as one digest.

Both DAGs go stale by it. Snakemake computes it when it reads the Snakefile; for DVC the command `recipes` writes it
into files, one for all jobs that share it, which dvc.yaml names as dependencies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from rl4lms.config.params import Params
from rl4lms.config.stages import STAGES, config_digest, stage_params
from rl4lms.core.code_imports import source_of
from rl4lms.core.errors import ConfigError
from rl4lms.core.sources import Sources
from rl4lms.core.user_code import UndigestibleError, digest_of_file

_FRONT = ("rl4lms.cli.main",)  # imports the module of the chosen command only
_sources = cache(Sources)


class Job(NamedTuple):
    """One job, or those of one stage that differ in nothing but methods and seeds that no digest depends on.

    names: those of task, method, family and name that the keys of the stage hold.
    """

    stage: str
    names: Mapping[str, str]

    @property
    def file(self) -> str:
        """Where its recipe lies: train/imdb/ppo.json."""
        return "/".join([self.stage, *self.names.values()]) + ".json"


def jobs(params: Params) -> Iterator[Job]:
    """Every job of a suite that has a recipe of its own."""
    grue, families, classifiers = params.grue(), params.base_models(), params.reward_models()
    prepared = [*grue["tasks"], *(task for family in families.values() for task in family["tasks"])]
    prepared += [entry["task"] for entry in classifiers.values()]
    known = set(params.tasks())
    yield from (Job("prepare", {"task": task}) for task in dict.fromkeys(prepared) if task in known)
    yield from (Job("base-model", {"family": family}) for family in families)
    yield from (Job("reward-model", {"name": name}) for name in classifiers)
    for task in grue["tasks"]:
        yield Job("supervised", {"task": task})
        yield from (Job("train", {"task": task, "method": alg}) for alg in grue["algs"])
        yield Job("evaluate", {"task": task})
        yield from (Job("evaluate", {"task": task, "method": baseline}) for baseline in grue["baselines"])
    yield Job("aggregate", {})


def recipe(params: Params, stage: str, **names: str) -> dict[str, str]:
    """The digests of a job's code and numbers. names: task, method, family, name as the job has them."""
    return {
        "code": job_code_digest(params, stage, **names),
        "params": config_digest(stage_params(params, stage, **names)),
    }


def job_code_digest(params: Params, stage: str, **names: str) -> str:
    """sha256 over the sources that a job runs: ours, and those of modules of the user's that its numbers name.

    Of rewards, metrics and pools these are the ones that the job's numbers name by their ids, and all where none is.
    """
    values = stage_params(params, stage, **names)
    named = set(_texts(values)) | {file.rpartition("/")[2].removesuffix(".yaml") for file in values}
    own = _sources().digest([f"rl4lms.cli.{STAGES[stage].module}"], named, _FRONT)
    files = (source_of(text, params.directory) for text in named)
    try:
        users = {str(file): digest_of_file(file) for file in files if file is not None}
    except UndigestibleError as error:
        raise ConfigError(f"{error}; mend the file, on which the stage {stage} depends.") from None
    return config_digest({"": own} | users) if users else own


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
