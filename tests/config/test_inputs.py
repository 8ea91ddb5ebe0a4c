"""What a run reads from this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rl4lms.config.inputs import check_paths, local_inputs
from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError


def test_local_models_and_data_are_inputs_and_hub_ids_are_not(on_policy: dict[str, Any], tmp_path: Path) -> None:
    for name in ("data", "model", "reward"):
        (tmp_path / name).mkdir()
    on_policy["datapool"] = {"id": "imdb", "args": {"data_dir": str(tmp_path / "data")}}
    on_policy["alg"]["policy"]["args"]["model_name"] = str(tmp_path / "model")
    on_policy["train_evaluation"]["metrics"] = [
        {"id": "learned_reward", "args": {"model_name": str(tmp_path / "reward"), "label_ix": 1}}
    ]
    config = RunConfig.from_dict(on_policy)
    assert local_inputs(config) == [tmp_path / "data", tmp_path / "model", tmp_path / "reward"]
    check_paths(config, "run.yml")


def test_a_path_that_is_not_there_is_named(on_policy: dict[str, Any]) -> None:
    on_policy["datapool"] = {"id": "imdb", "args": {"data_dir": "nowhere/imdb"}}
    with pytest.raises(
        ConfigError, match=r"^run\.yml: datapool\.args\.data_dir: nowhere/imdb: no such file or directory\.$"
    ):
        check_paths(RunConfig.from_dict(on_policy), "run.yml")
    on_policy["datapool"] = {"id": "imdb"}
    on_policy["alg"]["policy"]["args"]["model_name"] = "./models/gpt2"
    with pytest.raises(ConfigError, match=r"^run\.yml: alg\.policy\.args\.model_name: \./models/gpt2: no such"):
        check_paths(RunConfig.from_dict(on_policy), "run.yml")
