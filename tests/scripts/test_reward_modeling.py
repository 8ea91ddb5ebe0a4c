"""scripts/reward-modeling/: each command from local rows to a model that its reward loads, and its report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rl4lms.cli.reward_modeling import evaluate_classifier, evaluate_preference, train_classifier, train_preference
from rl4lms.core.io import write_jsonl
from rl4lms.core.tables import RewardFunctionRegistry

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--params-dir", str(ROOT / "params"), "--suite", "tiny"]
SCRIPTS = sorted((ROOT / "scripts" / "reward-modeling").glob("*.py"))


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Train alone: the other splits are cut off it."""
    draw = np.random.default_rng(0)
    words = (["awful", "boring", "weak"], ["great", "moving", "lovely"])
    rows = [
        {"text": f"film {i} is " + " ".join(words[i % 2][j] for j in draw.integers(0, 3, size=8)), "label": i % 2}
        for i in range(200)
    ]
    write_jsonl(tmp_path / "imdb" / "train.jsonl", rows)
    return tmp_path / "imdb"


@pytest.fixture
def dialogues(tmp_path: Path) -> Path:
    acts = {"it is fine .": 1, "is it ?": 2, "go there .": 3, "i will .": 4}
    draw = np.random.default_rng(0)
    rows = []
    for i in range(90):
        turns = [list(acts)[j] for j in draw.integers(0, 4, size=6)]
        dialog = [f"{turn[:-1]}{i} {turn[-1]}" for turn in turns]
        rows.append({"dialog": dialog, "act": [acts[t] for t in turns], "emotion": [0] * 6})
    write_jsonl(tmp_path / "dialogues" / "train.jsonl", rows)
    return tmp_path / "dialogues"


def test_sentiment(reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert train_classifier("sentiment", ["--data", str(reviews), "--out", str(out), *TINY]) == 0
    printed = capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert printed == (out / "report.txt").read_text()
    assert list(report["classes"]) == ["negative", "positive"]
    assert not list(tmp_path.glob(".*"))  # the rows are gone
    assert 0 < report["n"] < 100
    reward = RewardFunctionRegistry.get("learned_reward", {"model_name": str(out), "label_ix": 1})
    assert len(reward(["p"], ["great"], [["r"]], [True])) == 1
    again = tmp_path / "again"
    assert (
        evaluate_classifier("sentiment", ["--model", str(out), "--data", str(reviews), "--out", str(again), *TINY]) == 0
    )
    assert (again / "report.json").read_bytes() == (out / "report.json").read_bytes()
    other = ["--split", "validation", "--model", str(out), "--data", str(reviews), "--out", str(again), *TINY]
    assert evaluate_classifier("sentiment", other) == 0
    assert json.loads((again / "report.json").read_text()) != report


def test_intent(dialogues: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert train_classifier("intent", ["--data", str(dialogues), "--out", str(out), *TINY]) == 0
    report = json.loads((out / "report.json").read_text())
    assert list(report["classes"]) == ["inform", "question", "directive", "commissive"]
    reward = RewardFunctionRegistry.get("intent_accuracy", {"model_name": str(out), "shape": False})
    assert reward(["go there . <EOU>"], ["i will .<EOU>"], [["r"]], [True], [{"intent": [4]}])[0] in (0.0, 1.0)


def test_preference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"prompt": f"p{i % 30}", "chosen": f"it is {i} up", "rejected": f"it is {i} down", "sample_id": str(i)}
        for i in range(60)
    ]
    write_jsonl(tmp_path / "pairs.jsonl", rows)
    pairs, out = str(tmp_path / "pairs.jsonl"), tmp_path / "out"
    assert train_preference(["--data", pairs, "--out", str(out), *TINY]) == 0
    assert "held-out pairs" in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert (report["n_pairs"], report["n_train_pairs"]) == (6, 54)
    assert evaluate_preference(["--data", pairs, "--model", str(out), "--out", str(tmp_path / "again"), *TINY]) == 0
    assert json.loads((tmp_path / "again" / "report.json").read_text())["n_pairs"] == 60


def test_bad_input_is_one_line_and_code_2(reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out"), *TINY]
    (reviews / "train.jsonl").write_text('{"text": "fine", "label": 2}\n')
    assert train_classifier("sentiment", ["--data", str(tmp_path / "absent"), *out]) == 2
    assert train_classifier("sentiment", ["--data", str(reviews), *out]) == 2
    assert train_preference(["--data", str(tmp_path / "absent.jsonl"), *out]) == 2
    model = ["--model", str(tmp_path / "absent"), "--data", str(reviews)]
    assert evaluate_classifier("sentiment", [*model, *out]) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 4 and all(line.startswith("error: ") for line in lines)
    assert captured.out == "" and not (tmp_path / "out").exists()


def test_the_scripts_are_thin_and_say_what_they_take() -> None:
    assert [path.stem for path in SCRIPTS] == [
        f"{verb}_{what}" for verb in ("evaluate", "train")
        for what in ("intent_classifier", "preference_model", "sentiment_classifier")
    ]  # fmt: skip
    for path in SCRIPTS:
        source = path.read_text()
        assert len(source.splitlines()) < 12
        compile(source, str(path), "exec")
    done = subprocess.run([sys.executable, SCRIPTS[-1], "--help"], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "--data" in done.stdout and "--out" in done.stdout
