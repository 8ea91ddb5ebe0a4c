"""A preference model learns from pairs, says what it is worth, and is what the reward loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import write_jsonl
from rl4lms.core.tables import RewardFunctionRegistry
from rl4lms.training.preference_model import (
    PreferencePair,
    PreferenceSettings,
    read_pairs,
    split_pairs,
    train_preference_model,
)
from tests.metrics.model_files import save_preference_model

FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "report.json", "report.txt"]
ARCHITECTURE = {"num_layers": 1, "num_decoder_layers": 1, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_heads": 2}


def params(**changes: Any) -> dict[str, Any]:
    training = {"n_epochs": 6, "batch_size": 16, "learning_rate": 5e-3, "embedding_learning_rate": 0.05}
    return {
        "tokenizer": {"vocab_size": 300}, "architecture": dict(ARCHITECTURE), "include_prompt": False,
        "heldout_share": 0.2, "training": {**training, "max_length": 16, "seed": 0}, **changes,
    }  # fmt: skip


def comparisons(n: int, by_prompt: bool = False) -> list[PreferencePair]:
    """One of two words is the better, whatever stands around it; by_prompt: which one, the prompt says."""
    draw = np.random.default_rng(0)
    rows = []
    for i in range(n):
        around = " ".join("abcd"[j] for j in draw.integers(0, 4, size=3))
        swap = by_prompt and i % 2 == 1
        texts = (f"{around} up", f"{around} down")
        rows.append(PreferencePair(f"{'low' if swap else 'high'} {i} ", texts[swap], texts[not swap], f"s{i}"))
    return rows


def test_it_learns_and_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    rows, heldout = split_pairs(comparisons(150), 0.2)
    for name in ("a", "b"):
        report = train_preference_model(PreferenceSettings.from_params(params()), rows, heldout, tmp_path / name)
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    assert report["n_pairs"] == 30 and report["n_train_pairs"] == 120
    assert report["pairwise_accuracy"] > 0.9 and report["texts"]["accuracy"] > 0.9
    assert report["longer_is_better"] == 0.0
    assert json.loads((tmp_path / "a" / "report.json").read_text()) == report
    assert "pairwise accuracy" in (tmp_path / "a" / "report.txt").read_text()
    reward = RewardFunctionRegistry.get("common_gen_preference_model", {"model_type": str(tmp_path / "a")})
    good, bad = reward(["p", "p"], ["a b c up", "a b c down"], [["r"], ["r"]], [True, True])
    assert good > 0.5 > bad


@pytest.mark.slow
def test_the_prompt_counts_where_it_is_read(tmp_path: Path) -> None:
    rows, heldout = split_pairs(comparisons(200, by_prompt=True), 0.2)
    settings = params(include_prompt=True)
    settings["training"] |= {"n_epochs": 12, "learning_rate": 0.01}
    report = train_preference_model(PreferenceSettings.from_params(settings), rows, heldout, tmp_path / "with")
    assert report["pairwise_accuracy"] > 0.9
    settings["include_prompt"] = False
    report = train_preference_model(PreferenceSettings.from_params(settings), rows, heldout, tmp_path / "without")
    assert report["pairwise_accuracy"] < 0.7


def test_training_on_from_a_model(tmp_path: Path) -> None:
    rows, heldout = split_pairs(comparisons(20), 0.2)
    start = save_preference_model(tmp_path / "start")
    report = train_preference_model(
        PreferenceSettings.from_params(params(model_name=start)), rows, heldout, tmp_path / "out"
    )
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["d_model"] == 32 and report["n_pairs"] == 4
    with pytest.raises(ConfigError, match="cannot be loaded"):
        train_preference_model(
            PreferenceSettings.from_params(params(model_name=str(tmp_path / "no"))), rows, heldout, tmp_path / "x"
        )
    assert not (tmp_path / "x").exists()


def test_no_prompt_is_in_both_splits() -> None:
    rows = [c for c in comparisons(40) for _ in range(2)]
    kept, heldout = split_pairs(rows, 0.25)
    assert len(kept) == 60 and len(heldout) == 20
    assert not {c.prompt for c in kept} & {c.prompt for c in heldout}
    assert split_pairs(rows[::-1], 0.25)[1] == heldout[::-1]
    with pytest.raises(DataError, match="too few to hold some out"):
        split_pairs(comparisons(1), 0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chosen": 3}, "row 1: chosen: expected a string, found int"),
        ({"rejected": "a"}, "row 1: chosen and rejected are the same"),
        ({"sample_id": None}, "row 1: sample_id: expected a string, found NoneType"),
    ],
)
def test_bad_rows_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write_jsonl(tmp_path / "p.jsonl", [{"prompt": "p", "chosen": "a", "rejected": "b", "sample_id": "1", **change}])
    with pytest.raises(DataError, match=message):
        read_pairs(tmp_path / "p.jsonl")


def test_missing_columns_and_rows_are_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "p.jsonl", [{"prompt": "p", "chosen": "a", "sample_id": "1"}])
    with pytest.raises(DataError, match="line 1: missing column rejected"):
        read_pairs(tmp_path / "p.jsonl")
    write_jsonl(tmp_path / "empty.jsonl", [])
    with pytest.raises(DataError, match="no rows in it"):
        read_pairs(tmp_path / "empty.jsonl")


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    settings = PreferenceSettings.from_params(params(architecture={"n_layers": 1}))
    with pytest.raises(ConfigError, match=r'preference_model.yaml: preference.architecture: unknown key "n_layers"'):
        train_preference_model(settings, comparisons(4), comparisons(2), tmp_path / "out")
