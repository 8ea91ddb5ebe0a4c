"""The training script with each backend: the run's own files are the same to the byte, and nothing lands elsewhere."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rl4lms.cli.train_text_generation import build_parser, main, tracked
from rl4lms.tracking.backends import BACKENDS
from tests.cli.test_train_text_generation import CONFIG

pytestmark = pytest.mark.slow

# Times, and what holds them: the command line, which has --track, and a checkpoint's length of timing.jsonl.
OF_ONE_EXECUTION = {"timing.jsonl", "log.txt", "manifest.json", "state.json"}


@pytest.fixture
def config_path(model_dir: Any, tmp_path: Path) -> Path:
    config = json.loads(json.dumps(CONFIG))
    config["tokenizer"]["model_name"] = config["alg"]["policy"]["args"]["model_name"] = str(model_dir("gpt2"))
    config["train_evaluation"]["metrics"] = [{"id": "increasing_numbers", "args": {"min_tokens": 20}}]
    config["train_evaluation"]["n_iters"] = 1
    config["alg"]["args"] |= {"n_steps": 8, "n_epochs": 2}
    path = tmp_path / "run.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def files(run_dir: Path) -> dict[str, bytes]:
    """The run's own files: not those of the backends' folders, nor facts of one execution."""
    found = {str(p.relative_to(run_dir)): p for p in run_dir.rglob("*") if p.is_file()}
    own = [name for name in found if Path(name).parts[0] not in BACKENDS]
    return {name: found[name].read_bytes() for name in own if found[name].name not in OF_ONE_EXECUTION}


def train(config_path: Path, folder: Path, *more: str) -> Path:
    given = ["--config_path", str(config_path), "--base_path_to_store_results", str(folder), "--experiment_name", "e"]
    assert main([*given, *more]) == 0
    return folder / "rl4lm_exps/e"


@pytest.mark.usefixtures("offline_wandb")
def test_turning_a_backend_on_changes_no_byte_of_the_run(
    config_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in BACKENDS:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"needs the package {name}")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    plain = files(train(config_path, tmp_path / "plain"))
    assert {"rollout_info.jsonl", "training_info.jsonl", "model/model.safetensors", "config.json"} <= set(plain)
    assert "epoch_1_test_split_predictions.json" in plain
    for name in BACKENDS:
        run_dir = train(config_path, tmp_path / name, "--track", name)
        assert files(run_dir) == plain, name
        assert any(path.is_file() for path in (run_dir / name).rglob("*"))
    assert list((tmp_path / "here").iterdir()) == []


def test_a_backend_that_is_asked_for_twice_is_opened_once() -> None:
    given = ["--config_path", "f", "--log_to_wandb", "--track", "tensorboard", "wandb", "tensorboard"]
    assert tracked(build_parser().parse_args(given)) == ["tensorboard", "wandb"]
    assert tracked(build_parser().parse_args(given[:3])) == ["wandb"]
    assert tracked(build_parser().parse_args(given[:2])) == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--track", "tensorbord"], 'unknown tracking backend "tensorbord". Did you mean "tensorboard"?'),
        (["--log_to_wandb"], "logging to wandb needs its package; pip install 'rl4lms-grue[wandb]', or leave it out."),
    ],
)
def test_what_cannot_be_logged_to_is_said_before_anything_is_made(
    more: list[str],
    message: str,
    config_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    given = ["--config_path", str(config_path), "--base_path_to_store_results", str(tmp_path / "results"), *more]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1
    assert not (tmp_path / "results").exists()
