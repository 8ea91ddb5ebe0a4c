"""What each stage reads of params/."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from rl4lms.config.compose import BASELINES, methods
from rl4lms.config.params import Params
from rl4lms.config.params_schema import TaskParams
from rl4lms.config.stages import STAGES, config_digest, stage_files, stage_params

PARAMS = Params.open(Path(__file__).resolve().parents[2] / "params")
JOBS = {
    "prepare": {"task": "imdb"},
    "base-model": {"family": "t5"},
    "reward-model": {"name": "intent"},
    "supervised": {"task": "totto"},
    "train": {"task": "imdb", "method": "supervised_ppo"},
    "evaluate": {"task": "imdb", "method": "zero_shot"},
    "aggregate": {},
}


def test_every_stage_is_tabled() -> None:
    assert set(STAGES) == set(JOBS)


@pytest.mark.parametrize("stage", STAGES)
def test_keys_exist_in_the_files(stage: str) -> None:
    values = stage_params(PARAMS, stage, **JOBS[stage])
    assert list(values) == list(stage_files(PARAMS, stage, **JOBS[stage]))
    assert all(values.values())
    assert not any("{" in name for file in values for name in (file, *values[file]))


def test_every_key_of_a_task_is_read_by_some_stage() -> None:
    read = {
        key for stage in STAGES.values() for f, keys in stage.keys.items() if f.startswith("tasks/") for key in keys
    }
    assert read | {"module"} == {f.name for f in dataclasses.fields(TaskParams)}, "a module is read by every stage"


def test_names_are_filled_in() -> None:
    assert stage_files(PARAMS, "train", **JOBS["train"])["algs/ppo.yaml"] == ()
    assert stage_files(PARAMS, "base-model", **JOBS["base-model"])["base_models.yaml"] == ("t5",)
    assert {"tasks/imdb.yaml", "tasks/totto.yaml"} <= set(stage_files(PARAMS, "aggregate"))


def test_the_digest_sees_values_and_not_the_order_of_keys() -> None:
    assert config_digest({"a": 1, "b": {"c": 2, "d": 3}}) == config_digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert config_digest({"a": 1}) != config_digest({"a": 2})


def test_methods_come_from_the_algorithms() -> None:
    assert methods(["ppo", "nlpo"]) == ["zero_shot", "supervised", "ppo", "nlpo", "supervised_ppo", "supervised_nlpo"]
    assert methods(["ppo"], ["best_of_n"]) == ["zero_shot", "supervised", "best_of_n", "ppo", "supervised_ppo"]


def test_a_baseline_alone_reads_its_numbers() -> None:
    """So its n makes no other method's scores stale."""
    read = {
        method: stage_files(PARAMS, "evaluate", task="imdb", method=method) for method in methods(["ppo"], BASELINES)
    }
    with_it = [method for method, files in read.items() if "best_of_n" in files["grue.yaml"]]
    assert with_it == ["best_of_n"]
    assert stage_files(PARAMS, "evaluate", task="imdb") == read["supervised_ppo"]
