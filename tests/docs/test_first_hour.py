"""docs/examples/first_hour: its script runs, on a tiny random model, in an empty folder."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from .commands import ROOT

FILES = ROOT / "docs" / "examples" / "first_hour"
SMALL = {"alg.args.n_prompts": 2, "alg.args.completions_per_prompt": 2, "train_evaluation.eval_every": 1}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("my_rewards", "my_train"):
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_the_script_trains_plots_and_shows(modules: Any, chat_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    run = importlib.import_module("my_train").train(str(chat_model), "run", 1, **SMALL)
    assert {"rollout/ep_rew_mean", "rollout/kl_mean", "val/brief"} <= set(run.curves.columns)
    assert run.config["reward_fn"]["id"] == "my_rewards:brief"
    assert (run.path / "adapter").is_dir() and len(run.samples()) == 6
    run.plot().savefig("brief.png")
    assert (tmp_path / "brief.png").stat().st_size > 5_000


def test_the_reward_reads_a_column_of_the_rows(modules: Any) -> None:
    brief = importlib.import_module("my_rewards").brief
    texts = ["The otter swims.", "An otter " + "swims " * 14, "It swims."]
    assert brief(completions=texts, animal=["otter"] * 3, prompts=[""] * 3) == [1.0, 0.5, 0.0]


def test_the_rows_are_conversations_with_a_column_beside_them() -> None:
    rows = [json.loads(line) for line in (FILES / "my_rows.jsonl").read_text().splitlines()]
    assert len(rows) == 64
    assert all(row["messages"][0]["role"] == "user" and row["animal"] in row["messages"][0]["content"] for row in rows)
