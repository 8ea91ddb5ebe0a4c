"""Every stage says what it ran on: code, versions, seed, device, params and the digests of what it read."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rl4lms.cli import base_model, reward_model, supervised
from rl4lms.config.params import Params
from rl4lms.config.stages import STAGES
from rl4lms.core.io import sha256_file

PARAMS = Params.open(Path(__file__).resolve().parents[2] / "params", "tiny")


def run(module: ModuleType, *given: str) -> None:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    module.run(parser.parse_args(given, argparse.Namespace(params=PARAMS, quiet=True)))


def manifest(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for task in ("imdb", "common_gen"):
        for split in ("train", "validation", "test"):
            path = tmp_path / "data" / task / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{task} {split}")
    return tmp_path / "data"


def make_model(settings: Any, data_dir: Path, out_dir: Path) -> None:
    out_dir.mkdir(parents=True)


def digests(*paths: Path) -> dict[str, str]:
    return {str(path): sha256_file(path) for path in paths}


def test_a_base_model(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_model, "train_base_model", make_model)
    run(base_model, "--family", "gpt2", "--data", str(data), "--out", str(tmp_path / "out"))
    found = manifest(tmp_path / "out")
    assert (found["stage"], found["suite"], found["family"], found["seed"]) == ("base-model", "tiny", "gpt2", 0)
    assert found["inputs"] == digests(data / "imdb/train.jsonl", data / "imdb/validation.jsonl")
    assert found["params"]["base_models.yaml"]["gpt2"] == PARAMS.base_model("gpt2")


def test_a_reward_model(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reward_model, "train_reward_model", make_model)
    run(reward_model, "--name", "sentiment", "--data", str(data / "imdb"), "--out", str(tmp_path / "out"))
    found = manifest(tmp_path / "out")
    assert (found["stage"], found["name"], found["seed"]) == ("reward-model", "sentiment", 0)
    assert found["inputs"] == digests(data / "imdb/train.jsonl", data / "imdb/validation.jsonl")
    assert found["params"]["reward_models.yaml"]["sentiment"] == PARAMS.reward_model("sentiment")


def test_a_warm_start_keeps_what_its_training_wrote(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(config: Any, out_dir: Path, *, tracker: Any, identity: Any) -> None:
        for name in STAGES["supervised"].outputs:
            (out_dir / name).parent.mkdir(parents=True, exist_ok=True)
            (out_dir / name).write_text(name)
        (out_dir / "manifest.json").write_text(json.dumps({"seed": config.seed, "task_version": None}))

    monkeypatch.setattr(supervised, "train_supervised", train)
    (tmp_path / "model").mkdir()
    given = ["--task", "imdb", "--seed", "4", "--data", str(data / "imdb"), "--model", str(tmp_path / "model")]
    run(supervised, *given, "--out", str(tmp_path / "runs/seed4"))
    assert manifest(tmp_path / "runs/seed4") == {
        "seed": 4, "stage": "supervised", "suite": "tiny", "task": "imdb", "method": "supervised",
        "task_version": PARAMS.task("imdb")["version"],
    }  # fmt: skip
