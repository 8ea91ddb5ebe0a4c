"""A scheduler or a user ends it: each training stage, as a process of its own, saves, says so by its code, goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rl4lms.config.params import merge
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.work_directory import work_path
from tests.faults import suite

pytestmark = pytest.mark.long

STAGES = {
    "base-model": suite.BASE_MODEL,
    "reward-model": suite.REWARD_MODEL,
    "supervised": suite.SUPERVISED,
    "train": suite.train(),
}
LONGER: dict[str, dict[str, Any]] = {
    "base_models.yaml": {"gpt2": {"training": {"n_steps": 600}}},
    "reward_models.yaml": {"sentiment": {"training": {"n_epochs": 200}}},
    "tasks/imdb.yaml": {"supervised": {"training_args": {"num_train_epochs": 100}}, "rl": {"n_iters": 20}},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite, then every stage again with more to do, uninterrupted."""
    directory = suite.make(tmp_path_factory.mktemp("suite"))
    for file, changes in LONGER.items():
        path = directory / "params/suites/tiny" / file
        path.write_text(json.dumps(merge(load_yaml(path), changes)))
    for command in STAGES.values():
        assert suite.run(directory, command) == 0
    return directory


def process(directory: Path, command: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(directory), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "rl4lms", *command]
    return subprocess.Popen(words, cwd=directory, env=environment, text=True, stderr=subprocess.PIPE)


SENT = [(stage, signal.SIGTERM, 143, "SIGTERM") for stage in STAGES]
SENT += [("supervised", signal.SIGINT, 130, "Ctrl-C"), ("train", signal.SIGINT, 130, "Ctrl-C")]
SENT += [("base-model", signal.SIGHUP, 129, "SIGHUP")]


@pytest.mark.parametrize(("stage", "sent", "code", "name"), SENT, ids=[f"{s[0]}-{s[3]}" for s in SENT])
def test_a_signal_saves_and_the_same_command_ends_alike(
    finished: Path, tmp_path: Path, stage: str, sent: signal.Signals, code: int, name: str
) -> None:
    command = STAGES[stage]
    out = Path(command[command.index("--out") + 1])
    expected = suite.digests(finished)
    directory = suite.copy(finished, tmp_path / "copy")
    (directory / "rl4lms").symlink_to(finished / "rl4lms")
    checkpoints = directory / work_path(out) / "checkpoints"
    running = process(directory, command)
    while not list(checkpoints.glob("[0-9]*")):
        assert running.poll() is None
        time.sleep(0.02)
    running.send_signal(sent)
    said = running.communicate()[1]
    assert running.returncode == code and f"{name}: saved after " in said and "Traceback" not in said
    assert suite.digests(directory) == expected
    again = process(directory, command)
    said = again.communicate()[1]
    assert again.returncode == 0 and "resumed after " in said
    assert suite.digests(directory) == expected
