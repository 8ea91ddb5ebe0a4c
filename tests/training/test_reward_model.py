from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import write_jsonl
from rl4lms.metrics.learned import intent_classifier_input
from rl4lms.training import reward_model
from rl4lms.training.reward_model import RewardModelSettings, _shown, read_texts, train_reward_model

FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "metrics.json"]
ARCHITECTURE = {
    "model_type": "distilbert", "n_layers": 1, "dim": 16, "hidden_dim": 32, "n_heads": 2,
    "max_position_embeddings": 32,
}  # fmt: skip


def params(**training: Any) -> dict[str, Any]:
    numbers = {"n_epochs": 6, "batch_size": 16, "learning_rate": 1e-2, "max_length": 24, "seed": 0, **training}
    return {
        "task": "imdb",
        "labels": ["negative", "positive"],
        "tokenizer": {"vocab_size": 300},
        "architecture": dict(ARCHITECTURE),
        "training": numbers,
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    words = (["awful", "boring", "weak"], ["great", "moving", "lovely"])
    for split, n in (("train", 160), ("validation", 40)):
        rows = [
            {"text": " ".join(words[i % 2][j] for j in draw.integers(0, 3, size=6)), "label": i % 2} for i in range(n)
        ]
        write_jsonl(tmp_path / f"{split}.jsonl", rows)
    return tmp_path


def test_a_classifier_learns_and_equal_inputs_give_equal_bytes(tmp_path, data):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    for name in ("a", "b"):
        train_reward_model(RewardModelSettings.from_params("sentiment", params()), data, tmp_path / name)
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert metrics["heldout_accuracy"] >= 0.9 and metrics["heldout_majority_share"] == 0.5
    assert metrics["heldout_accuracy_half_text"] >= 0.8
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "a")
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert model.config.pad_token_id == AutoTokenizer.from_pretrained(tmp_path / "a").pad_token_id


def test_a_training_that_dies_before_it_publishes_ends_alike(tmp_path, data, monkeypatch):
    """From its last checkpoint there is no step left to take; what a step leaves in the configuration is there too."""
    settings = RewardModelSettings.from_params("sentiment", params())
    train_reward_model(settings, data, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(reward_model, "heldout_metrics", None)
        with pytest.raises(TypeError):
            train_reward_model(settings, data, tmp_path / "cut")
    train_reward_model(settings, data, tmp_path / "cut")
    for file in FILES:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "cut" / file).read_bytes(), file


def test_an_utterance_is_shown_as_the_reward_asks_about_it(tmp_path):
    row = {"dialog": ["Hi .", "Who is it ?", "Me ."], "act": [1, 2, 1], "emotion": [0, 0, 0]}
    write_jsonl(tmp_path / "d.jsonl", [row])
    texts = read_texts("daily_dialog", tmp_path / "d.jsonl", 4)
    assert [t.label for t in texts] == [1, 0]
    asked = intent_classifier_input("Hi .<EOU>Who is it ? <EOU>", " Me .<EOU>")
    assert texts[1].head + texts[1].tail == asked


def test_training_shows_the_head_and_a_beginning_of_the_tail():
    shown = [_shown([1, 2], [5, 6, 7, 8], 10, np.random.default_rng(i)) for i in range(50)]
    assert all(ids == [1, 2, 5, 6, 7, 8][: len(ids)] and len(ids) >= 3 for ids in shown)
    assert {len(ids) for ids in shown} == {3, 4, 5, 6}
    assert _shown(list(range(20)), [5], 4, np.random.default_rng(0)) == [17, 18, 19, 5]


def test_a_column_of_another_type_is_refused(tmp_path):
    write_jsonl(tmp_path / "d.jsonl", [{"text": "fine", "label": 1}, {"text": None, "label": 1}])
    with pytest.raises(DataError, match=r"d.jsonl, row 2: column text: expected text, found NoneType"):
        read_texts("imdb", tmp_path / "d.jsonl", 2)


def test_a_label_out_of_range_is_refused(tmp_path):
    write_jsonl(tmp_path / "d.jsonl", [{"text": "fine", "label": -1}])
    with pytest.raises(DataError, match="label -1, expected 0 to 1"):
        read_texts("imdb", tmp_path / "d.jsonl", 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"model_type": "distilbart"}, 'unknown "distilbart"'), ({"n_layer": 1}, 'Did you mean "n_layers"')],
)
def test_an_unknown_architecture_is_refused(tmp_path, data, change, message):
    wrong = params()
    wrong["architecture"].update(change)
    with pytest.raises(ConfigError, match=message):
        train_reward_model(RewardModelSettings.from_params("sentiment", wrong), data, tmp_path / "out")
    assert not (tmp_path / "out").exists()
