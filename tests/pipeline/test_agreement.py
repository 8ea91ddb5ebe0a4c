"""The Snakefile and dvc.yaml are one pipeline: the same commands, files, code and parameters, job by job."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rl4lms.config.compose import BASELINES
from rl4lms.config.params import Params
from rl4lms.config.recipes import Job, jobs
from rl4lms.config.stages import config_digest, stage_files, stage_params
from tests.pipeline.checkout import Checkout, Stage

pytestmark = pytest.mark.slow

ROWS = "data"  # of your own, which DVC watches as one directory; the shipped suite has none


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which DVC has written the recipes; its suite has the baselines as well."""
    checkout = Checkout.make(tmp_path_factory.mktemp("agreement"))
    checkout.set_param("grue.yaml", "baselines", list(BASELINES))
    checkout.run("dvc", "repro", "--quiet", "recipes")
    return checkout.path


@pytest.fixture(scope="module")
def params(recipes: Path) -> Params:
    return Params.open(recipes / "params")


@pytest.fixture(scope="module")
def pairs(recipes: Path) -> list[tuple[dict[str, Any], Stage]]:
    """Each job of the Snakemake DAG with the stage of the same command."""
    checkout = Checkout(recipes)
    planned, stages = checkout.jobs(), [stage for stage in checkout.stages() if stage.name != "recipes"]
    assert Counter(job["command"] for job in planned) == Counter(stage.command for stage in stages)
    by_command = {stage.command: stage for stage in stages}
    assert len(by_command) == len(stages)
    return [(job, by_command[job["command"]]) for job in planned]


def names_of(command: str) -> tuple[str, dict[str, str]]:
    """(stage, its names) of `python -m rl4lms <stage> --key value ...`."""
    words = command.split()[3:]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    return words[0], {key: options[f"--{key}"] for key in ("task", "method", "family", "name") if f"--{key}" in options}


def test_same_commands(pairs: list[tuple[dict[str, Any], Stage]], params: Params) -> None:
    grue = params.grue()
    n_runs = len(grue["tasks"]) * (3 + 2 * len(grue["algs"])) * len(grue["seeds"])
    assert sum(job["rule"] == "evaluate" for job, _ in pairs) == n_runs


def test_a_log_takes_what_a_stage_says(pairs: list[tuple[dict[str, Any], Stage]]) -> None:
    for job, _ in pairs:
        assert job["log"].startswith("results/mini/logs/")
        assert job["log"].endswith(".log 2>&1")


def test_same_outputs(pairs: list[tuple[dict[str, Any], Stage]]) -> None:
    """DVC declares the one directory that holds the files of Snakemake's job and no other's; the tables by file."""
    seen: set[str] = set()
    for job, stage in pairs:
        if job["rule"] == "aggregate":
            assert stage.outs == set(job["outputs"])
            continue
        (out,) = stage.outs
        assert all(file.startswith(f"{out}/") for file in job["outputs"]), stage.name
        assert out not in seen and f" --out {out}" in stage.command
        seen.add(out)


def test_same_dependencies(pairs: list[tuple[dict[str, Any], Stage]], params: Params) -> None:
    """DVC names directories where Snakemake names each file: every input lies in a dependency, none is idle."""
    for job, stage in pairs:
        used = set()
        for file in job["inputs"]:
            homes = stage.deps & {file, *(str(parent) for parent in Path(file).parents)}
            assert homes, f"{stage.name} does not depend on {file}"
            used |= homes
        kind, names = names_of(stage.command)
        assert stage.deps - used == {recipe_of(params, kind, names), *([ROWS] if kind == "prepare" else [])}, stage.name


def recipe_of(params: Params, kind: str, names: dict[str, str]) -> str:
    """The file of the recipe of a job: of all that are written, the one that this job's names call for."""
    if kind in ("supervised", "evaluate") and names["method"] not in BASELINES:
        names = {"task": names["task"]}
    if kind == "train":
        names = {"task": names["task"], "method": names["method"].removeprefix("supervised_")}
    job = Job(kind, names)
    assert job in list(jobs(params))
    return f"recipes/mini/{job.file}"


def test_same_code_and_parameters(pairs: list[tuple[dict[str, Any], Stage]], recipes: Path, params: Params) -> None:
    """What Snakemake's job depends on is what is in the file that DVC's depends on."""
    for job, stage in pairs:
        kind, names = names_of(stage.command)
        assert job["numbers"] == stage_params(params, kind, **names), stage.name
        (file,) = [dep for dep in stage.deps if dep.startswith("recipes/")]
        own = {"code": job["code"], "params": config_digest(job["numbers"])}
        assert json.loads((recipes / file).read_text()) == own, stage.name


def test_dvc_watches_all_that_recipes_are_made_of(recipes: Path, params: Params) -> None:
    """Every file of the package, and every file of params/ that a stage of the suite reads."""
    (stage,) = [stage for stage in Checkout(recipes).stages() if stage.name == "recipes"]
    read = {f"params/{file}" for job in jobs(params) for file in stage_files(params, job.stage, **job.names)}
    for file in {"rl4lms/core/io.py", "params/suites/mini/grue.yaml", *read}:
        assert stage.deps & {file, *(str(parent) for parent in Path(file).parents)}, file


def test_only_data_is_a_parameter_for_dvc_as_well(pairs: list[tuple[dict[str, Any], Stage]]) -> None:
    for job, stage in pairs:
        task = job["command"].partition(" --task ")[2].partition(" ")[0]
        own = {f"params/tasks/{task}.yaml": frozenset({"data"})} if job["rule"] == "prepare" else {}
        assert stage.params == own, stage.name
