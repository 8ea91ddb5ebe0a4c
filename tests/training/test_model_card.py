"""The card says what the run was and what it scored, in words that are equal on every machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rl4lms.training.model_card import model_card, write_model_card
from tests.training.test_on_policy import config


def front(text: str) -> dict[str, Any]:
    _, head, _ = text.split("---\n", 2)
    read: dict[str, Any] = yaml.safe_load(head)
    return read


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    scores = [{"epoch": 0, "metrics": {"a": 0.25}}, {"epoch": 4, "metrics": {"a": 0.75, "b/c": 12.0}}]
    (tmp_path / "val_split_metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in scores))
    rollout = {"iteration": 3, "rollout/ep_rew_mean": 0.5, "rollout/kl_mean": 0.125, "rollout/kl_coeff": 0.05}
    (tmp_path / "rollout_info.jsonl").write_text(json.dumps(rollout) + "\n")
    return tmp_path


def test_what_a_card_says(run_dir: Path):
    write_model_card(run_dir, config(Path("/home/somebody/models/tiny-gpt2")))
    text = (run_dir / "model/README.md").read_text()
    assert front(text) == {
        "library_name": "transformers", "pipeline_tag": "text-generation", "tags": ["rl4lms", "ppo"],
    }  # fmt: skip
    for line in (
        "| base model | `tiny-gpt2` |",
        '| data | `dummy_pool` with `{"n_samples": 12, "prompt": "w5 w6"}` |',
        '| reward | `increasing_numbers` with `{"min_tokens": 4}` |',
        "| seed | `3` |",
        "## Scores on the validation split, epoch 4",
        "| `a` | 0.75 |",
        "| `b/c` | 12 |",
        "| KL from the reference model, nats a token, mean | 0.125 |",
        "python -m rl4lms.cli.train_text_generation --config_path config.json",
    ):
        assert line in text.splitlines()
    assert '"coeff": 0.05' in text
    assert "/home" not in text
    assert "0.25" not in text


def test_a_supervised_run_without_metrics():
    written = {
        "alg": {"id": "supervised", "model_name": "results/base/t5", "model_type": "seq2seq"},
        "datapool": {"id": "totto"},
        "seed": 1,
    }
    text = model_card(written, {"epoch": 2, "metrics": {"eval/loss": 2.0}}, {})
    assert front(text)["pipeline_tag"] == "text2text-generation"
    assert "# t5, trained with supervised" in text
    assert "| base model | `results/base/t5` |" in text
    assert "reward |" not in text
    assert "Rollouts" not in text
    assert "Scores" not in model_card(written, {}, {})
