"""What the machine does to a run: a full disk, results that cannot be written, a package that is not there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rl4lms.cli.train_text_generation import main
from rl4lms.core.errors import explain
from rl4lms.core.io import sha256_file
from tests.faults import suite
from tests.faults.suite import one_error
from tests.faults.test_security import script
from tests.training.test_on_policy import config, with_lora


def test_failures_of_the_machine_have_a_way_out() -> None:
    assert "make room and give the same command again" in str(explain(OSError(28, "No space left on device", "x")))
    assert "make room" in str(explain(Exception("Error while serializing: I/O error: (os error 28)")))
    assert "change its permissions" in str(explain(PermissionError(13, "Permission denied", "results/x")))
    assert "pip install 'rl4lms-grue[wandb]'" in str(explain(ModuleNotFoundError("no wandb", name="wandb.sdk")))
    assert "lower a batch size" in str(explain(MemoryError()))
    assert explain(KeyError("a defect")) is None and explain(ImportError("ours", name="rl4lms.core")) is None


@pytest.mark.slow
def test_a_missing_extra_is_named(model_dir: Any, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    value = with_lora(config(model_dir("gpt2")), value_model="shared").to_dict()
    assert main(script(tmp_path, value)) == 2
    assert "pip install 'rl4lms-grue[peft]'" in one_error(capsys.readouterr())


# -- with file systems of their own, which root alone may mount -------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    path = tmp_path / "small"
    path.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path))
    yield path
    subprocess.run(["umount", str(path)], check=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def stage(directory: Path, command: list[str]) -> tuple[int, str]:
    """A stage in a process of its own: (exit code, what it said on stderr)."""
    environment = {**os.environ, "PYTHONPATH": str(directory), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "rl4lms", *command], cwd=directory, env=environment, capture_output=True, text=True
    )
    return run.returncode, run.stderr


def in_one_line(said: str) -> str:
    assert "Traceback" not in said
    (error,) = re.findall(r"^error: .*$", said, re.MULTILINE)
    return str(error)


@pytest.mark.system
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_is_one_error_and_the_same_command_goes_on(tmp_path: Path, small: Path) -> None:
    directory = suite.make(tmp_path / "suite")
    expected = {p.name: sha256_file(p) for p in (directory / suite.RUNS / "ppo/seed0").rglob("*") if p.is_file()}
    before = suite.digests(directory)
    command = suite.train(out=str(small / "seed0"))
    codes = []
    for kilobytes_left in (4, 200, 600, 1000):  # for nothing, the first lines, the first checkpoint, ...
        (small / "filler").write_bytes(b"x" * (2048 - kilobytes_left) * 1024)
        code, said = stage(directory, command)
        codes.append(code)
        if code:
            assert code == 1 and "the disk is full" in in_one_line(said)
        assert suite.digests(directory) == before
        (small / "filler").unlink()
    assert codes[0] == codes[1] == 1
    code, said = stage(directory, command)
    assert code == 0, said
    made = {p.name: sha256_file(p) for p in (small / "seed0").rglob("*") if p.is_file()}
    for name in ("model.safetensors", "rollout_info.jsonl", "training_info.jsonl", "val_split_metrics.jsonl"):
        assert made[name] == expected[name]


@pytest.mark.system
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_results_that_cannot_be_written_are_one_error(tmp_path: Path, small: Path) -> None:
    directory = suite.make(tmp_path / "suite")
    before = suite.digests(directory)
    mount("-o", "remount,ro", str(small))
    commands = [
        [*suite.PREPARE[:-1], str(small / "data")],
        [*suite.BASE_MODEL[:-1], str(small / "model")],
        [*suite.REWARD_MODEL[:-1], str(small / "model")],
        [*suite.SUPERVISED[:-1], str(small / "run")],
        suite.train(out=str(small / "run")),
        [*suite.evaluate()[:-1], str(small / "scores")],
        [*suite.AGGREGATE[:-1], str(small / "grue")],
    ]
    for command in commands:
        code, said = stage(directory, command)
        assert code == 1, said
        assert "Read-only file system" in in_one_line(said) and str(small) in said
    assert suite.digests(directory) == before
