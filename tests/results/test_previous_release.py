"""A run that the previous release (commit 42d1f9e) left: `compare` and the report still read it.

previous_release/ was written by that commit's training script on the tiny GPT-2 of tests/conftest.py, two iterations;
the model, the checkpoints and log.txt are left out.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rl4lms.cli.main import main
from rl4lms.config.schema import RunConfig
from rl4lms.core.work_directory import DIGEST_FILE, work_directory
from rl4lms.results.run_directory import RunDirectory
from rl4lms.results.training_logs import read_curves
from rl4lms.tracking.tracker import Tracker

RUN = Path(__file__).with_name("previous_release")
METRIC = "synthetic/increasing_numbers_in_text"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RUN, tmp_path / "runs" / "imdb" / "ppo" / "seed0"))


def test_compare_reads_it(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "seed": 4}))
    assert main(["compare", str(run), str(other), "--flips", "200"]) == 0
    said = capsys.readouterr().out
    assert "Scores on the split test: 4 samples" in said and METRIC in said
    assert any(line.split() == ["seed", "3", "4"] for line in said.splitlines())


def test_the_report_reads_its_curves(run: Path) -> None:
    settings: Any = SimpleNamespace(rl_methods=["ppo"], main_metrics={"imdb": METRIC})
    curves = read_curves({("imdb", "ppo", 3): RunDirectory.open(run)}, settings)
    assert set(curves.groupby("metric").size()) == {2, 3} and curves["metric"].nunique() == 3
    assert curves["sampled_tokens"].isna().all(), "it did not log them"


def test_its_configuration_is_a_valid_one_and_its_progress_is_never_resumed(run: Path) -> None:
    config = RunConfig.from_file(run / "config.json")
    with work_directory(run, config.to_dict(), ()) as path:
        assert [p.name for p in path.iterdir()] == [DIGEST_FILE]
    kept = run.with_name("seed0.stale-1")
    assert {p.name for p in kept.iterdir()} == {p.name for p in RUN.iterdir()}
    Tracker(kept).load_state_dict({})
    assert not list(kept.glob("*.jsonl")), "its names of files are the ones of today"
