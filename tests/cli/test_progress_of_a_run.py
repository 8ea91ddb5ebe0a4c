"""The training script on a terminal, into a pipe and quiet: what each shows, and that the results are the same."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.training.test_on_policy import config, contents

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PART = {"id": "length", "args": {"longest": 4}}


def command(directory: Path, experiment: str, *more: str) -> list[str]:
    names = ("--project_name", "p", "--experiment_name", experiment, "--base_path_to_store_results", str(directory))
    script = str(ROOT / "scripts/training/train_text_generation.py")
    return [sys.executable, script, "--config_path", str(directory / "run.yml"), *names, *more]


def environment() -> dict[str, str]:
    return {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", "PYTHONPATH": str(ROOT)}


def on_a_terminal(arguments: list[str]) -> str:
    """What a process writes to a pseudo-terminal that is its stdin, stdout and stderr."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(), cwd=ROOT)
    os.close(theirs)
    chunks = []
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(ours)
    assert process.wait() == 0, b"".join(chunks).decode()
    return b"".join(chunks).decode()


def test_a_run_is_the_same_on_a_terminal_in_a_pipe_and_quiet(model_dir: Any, tmp_path: Path) -> None:
    of_two = {"id": "weighted", "args": {"rewards": [PART, PART | {"name": "other", "weight": -0.5}]}}
    asked = config(model_dir("gpt2"), reward_fn=of_two).to_dict()
    asked["train_evaluation"]["metrics"] += [{"id": "reward"}]
    (tmp_path / "run.yml").write_text(yaml.safe_dump(asked))
    terminal = on_a_terminal(command(tmp_path, "terminal"))
    pipe, quiet = (
        subprocess.run(command(tmp_path, name, *more), env=environment(), cwd=ROOT, capture_output=True, text=True)
        for name, more in (("pipe", ()), ("quiet", ("--quiet",)))
    )
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal)
    assert "\x1b[?25l" in terminal and "\x1b[?25h" in terminal  # the cursor is hidden, and given back
    assert re.search(r"iteration 4/4 ━+ 100 %", plain)
    assert re.search(r"reward \d\S* .*KL \S+ +steps/s \d", plain)
    assert "rollout_info:" not in plain
    last = plain[plain.rindex("iteration 4/4") :].splitlines()
    assert re.fullmatch(r"parts  length \S+  other \S+", last[2].rstrip())
    change = r"\([+-]\d\S*\)"
    for line, split in zip(last[3:5], ("val", "test"), strict=True):
        assert re.match(rf"{split}  reward \S+ {change}  increasing_numbers_in_text \S+ {change}", line)
    assert [line.partition(" ")[0] for line in last[5:11]] == ["prompt", "before", "now"] * 2
    assert last[5].rstrip() == "prompt  w5 w6" and all(re.search(r" (w\d+ ?)+", line) for line in last[5:11])
    model = "model/, val_split_metrics.jsonl, test_split_metrics.jsonl, rollout_info.jsonl"
    assert last[11:] == [f"results in {tmp_path}/p/terminal: {model}"]
    assert pipe.stderr.endswith(f"results in {tmp_path}/p/pipe: {model}\n")
    assert re.search(rf"val_split_metrics: epoch 4, .*reward \S+ {change}", pipe.stderr)
    assert pipe.returncode == quiet.returncode == 0
    assert "\x1b" not in pipe.stderr
    assert re.search(r"pipe: iteration 4/4, reward \S+, KL \S+, steps/s \S+, \d+:\d\d gone", pipe.stderr)
    assert (quiet.stdout, quiet.stderr) == ("", "")
    for name in ("terminal", "pipe", "quiet"):
        assert "iteration 4/4" in (tmp_path / "p" / name / "log.txt").read_text()
    one, other, third = (contents(tmp_path / "p" / name) for name in ("terminal", "pipe", "quiet"))
    for found in (one, other, third):
        del found["log.txt"]
    assert one == other == third
    assert "model/model.safetensors" in one
