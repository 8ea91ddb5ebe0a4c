"""The Snakefile and dvc.yaml are one pipeline: the same commands, files, code and parameters, job by job."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rl4lms.config.params import Params
from rl4lms.config.stages import stage_files, stage_params
from tests.pipeline.checkout import ROOT, Checkout, Stage

pytestmark = pytest.mark.slow

OVERLAY = "params/suites/mini"  # DVC watches the overlay as one directory, Snakemake its values
ROWS = "data"  # and so the rows of your own, of which the shipped suite has none


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, Any], Stage]]:
    """Each job of the Snakemake DAG with the stage of the same command."""
    checkout = Checkout.make(tmp_path_factory.mktemp("agreement"))
    jobs, stages = checkout.jobs(), checkout.stages()
    assert Counter(job["command"] for job in jobs) == Counter(stage.command for stage in stages)
    by_command = {stage.command: stage for stage in stages}
    assert len(by_command) == len(stages)
    return [(job, by_command[job["command"]]) for job in jobs]


def names_of(command: str) -> tuple[str, dict[str, str]]:
    """(stage, its names) of `python -m rl4lms <stage> --key value ...`."""
    words = command.split()[3:]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    return words[0], {key: options[f"--{key}"] for key in ("task", "method", "family", "name") if f"--{key}" in options}


def test_same_commands(pairs: list[tuple[dict[str, Any], Stage]]) -> None:
    grue = Params.open(ROOT / "params").grue()
    n_runs = len(grue["tasks"]) * (2 + 2 * len(grue["algs"])) * len(grue["seeds"])
    assert sum(job["rule"] == "evaluate" for job, _ in pairs) == n_runs


def test_a_log_takes_what_a_stage_says(pairs: list[tuple[dict[str, Any], Stage]]) -> None:
    for job, _ in pairs:
        assert job["log"].startswith("results/mini/logs/")
        assert job["log"].endswith(".log 2>&1")


def test_same_outputs(pairs: list[tuple[dict[str, Any], Stage]]) -> None:
    for job, stage in pairs:
        assert set(job["outputs"]) == stage.outs, stage.name


def test_same_dependencies(pairs: list[tuple[dict[str, Any], Stage]]) -> None:
    """DVC names directories where Snakemake names each file: every input lies in a dependency, none is idle."""
    for job, stage in pairs:
        used = set()
        for file in job["inputs"]:
            homes = stage.deps & {file, *(str(parent) for parent in Path(file).parents)}
            assert homes, f"{stage.name} does not depend on {file}"
            used |= homes
        assert stage.deps - used == {OVERLAY, *([ROWS] if job["rule"] == "prepare" else [])}, stage.name


def test_same_parameters(pairs: list[tuple[dict[str, Any], Stage]]) -> None:
    params = Params.open(ROOT / "params")
    for job, stage in pairs:
        kind, names = names_of(stage.command)
        read = stage_files(params, kind, **names)
        assert stage.params == {f"params/{file}": frozenset(keys) for file, keys in read.items()}, stage.name
        assert job["numbers"] == stage_params(params, kind, **names), stage.name
