"""The examples of docs/examples/, each run as its first line says, on a tiny model."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yml"))


def run(name: str, config: dict[str, Any], folder: Path) -> Path:
    """The run directory of an example script under a configuration."""
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "--config_path", str(path), "--project_name", "p"]
    command += ["--base_path_to_store_results", str(folder), "--experiment_name", "e"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "p" / "e"


def tiny(name: str, model: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yml").read_text())
    config["tokenizer"]["model_name"] = config["alg"]["policy"]["args"]["model_name"] = model
    return config


def test_there_is_one_of_each_kind() -> None:
    assert NAMES == ["algorithm", "data_pool", "metric", "policy", "reward"]


@pytest.fixture(scope="module")
def runs(model_dir: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """runs(name) -> the run directory of an example as it is, which is run once."""

    @functools.cache
    def made(name: str) -> Path:
        return run(name, tiny(name, str(model_dir("gpt2"))), tmp_path_factory.mktemp(name))

    return made


@pytest.mark.parametrize("name", NAMES)
def test_example(name: str, runs: Any) -> None:
    out = runs(name)
    rows = [json.loads(line) for line in (out / "rollout_info.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [0, 1, 2, 3]
    assert (out / "model" / "model.safetensors").is_file()
    if name == "reward":
        assert 0 < rows[0]["rollout/ep_rew_mean"] <= 1
    if name == "metric":
        line = json.loads((out / "val_split_metrics.jsonl").read_text().splitlines()[0])
        assert "style/questions" in line["metrics"]


def test_a_reward_of_the_users_own_script_scores_the_same_in_workers(model_dir: Any, runs: Any, tmp_path: Path) -> None:
    config = tiny("reward", str(model_dir("gpt2")))
    assert config["env"]["n_reward_workers"] == 2
    config["env"]["n_reward_workers"] = 0
    alone = run("reward", config, tmp_path)
    assert (alone / "rollout_info.jsonl").read_bytes() == (runs("reward") / "rollout_info.jsonl").read_bytes()
