"""The aggregate stage over a synthetic suite, as its command runs it."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rl4lms.cli.main import main
from rl4lms.config.compose import BASELINES, algorithm_of, methods

from .conftest import MAIN_METRICS, make_settings, write_json, write_suite

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
OUTPUTS = {
    "metrics.json", "scores.csv", "curves.csv", "significance.csv", "statistics.csv", "contrasts.csv", "pairs.csv",
    "profiles.csv", "training.csv", "grue.csv", "grue.md", "grue.tex", "summary.png", "statistics.png",
    "learning_curves.png", "kl_reward.png", "report.html",
}  # fmt: skip


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped params with a suite of the synthetic runs' tasks."""
    directory = tmp_path_factory.mktemp("params")
    for path in REPOSITORY.glob("params/**/*.yaml"):
        target = directory / path.relative_to(REPOSITORY / "params")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    overlay = directory / "suites" / "synthetic"
    overlay.mkdir(parents=True)
    changes = {"tasks": list(MAIN_METRICS), "algs": ["ppo"], "baselines": ["best_of_n"], "seeds": [0, 1]}
    family = [{"name": "rl", "method": "supervised_ppo", "against": "supervised", "question": "Does PPO gain?"}]
    aggregate = {"bootstrap": {"n_resamples": 200}, "contrasts": family}
    (overlay / "grue.yaml").write_text(yaml.safe_dump({**changes, "aggregate": aggregate}))
    return directory


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = make_settings(suite="synthetic", methods=tuple(methods(["ppo"], BASELINES)))
    runs = write_suite(tmp_path_factory.mktemp("aggregate") / "runs", settings)
    for task in settings.tasks:
        for method in (m for m in settings.methods if m not in ("zero_shot", *BASELINES)):  # those that are trained
            for seed in settings.seeds:
                config = {"alg": {"id": algorithm_of(method) or method}, "seed": seed}
                write_json(runs / task / method / f"seed{seed}" / "config.json", config)
    return runs


def aggregate(params: Path, runs: Path, out: Path) -> int:
    arguments = ["aggregate", "--suite", "synthetic", "--params-dir", str(params), "--quiet"]
    return main([*arguments, "--runs", str(runs), "--scores", str(runs), "--out", str(out)])


@pytest.fixture(scope="module")
def out(params: Path, suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("grue")
    assert aggregate(params, suite, directory) == 0
    return directory


def test_declared_outputs_are_written(out: Path) -> None:
    assert {path.name for path in out.glob("[!.]*")} == OUTPUTS | {"manifest.json"}
    assert all(path.stat().st_size > 50 for path in out.iterdir())


def test_headline_numbers_are_few_and_flat(out: Path) -> None:
    numbers = json.loads((out / "metrics.json").read_text())
    assert list(numbers) == [
        "score_zero_shot", "score_supervised", "score_best_of_n", "score_ppo", "score_supervised_ppo",
        "tasks_supervised_better", "tasks_rl_raises_reward",
    ]  # fmt: skip
    assert (numbers["tasks_supervised_better"], numbers["tasks_rl_raises_reward"]) == (3, 3)
    with (out / "grue.csv").open() as f:
        average = {row["method"]: float(row["task:average"]) for row in csv.DictReader(f)}
    assert numbers["score_ppo"] == pytest.approx(average["ppo"], abs=1e-6)


def test_the_same_again_writes_the_same_bytes(params: Path, suite: Path, out: Path, tmp_path: Path) -> None:
    assert aggregate(params, suite, tmp_path) == 0
    for name in OUTPUTS:
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes(), name


def test_report_shows_params_and_resolved_configurations(out: Path) -> None:
    html = (out / "report.html").read_text()
    assert "tasks/imdb.yaml" in html
    assert html.count("Seed 1: the same but for") == len(MAIN_METRICS) * 3  # of supervised, ppo and supervised_ppo
    assert html.count('<pre tabindex="0">seed: 1</pre>') == len(MAIN_METRICS) * 3


def test_a_missing_run_writes_nothing(
    params: Path, own_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_runs / "imdb/supervised/seed0/metrics.json").unlink()
    assert aggregate(params, own_runs, tmp_path / "grue") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "run imdb/supervised/seed0 is missing" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "grue").exists()


def copy_scores(source: str, *names: str) -> Callable[[Path, Path], None]:
    def copy(runs: Path, target: Path) -> None:
        for name in names:
            shutil.copy(runs / source / name, target / name)

    return copy


def set_key(name: str, key: str, value: Any) -> Callable[[Path, Path], None]:
    def change(runs: Path, target: Path) -> None:
        content = json.loads((target / name).read_text())
        place = content
        *parents, last = key.split("|")
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place[parent]
        place[last] = value
        (target / name).write_text(json.dumps(content))

    return change


METRICS, LINE, PREDICTIONS = "metrics.json", "test_split_metrics.jsonl", "test_predictions.json"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (set_key(PREDICTIONS, "0|reward", 5.0), "test_predictions.json: the 40 scores of reward have the mean"),
        (set_key(METRICS, "reward", 0.9), "metrics.json: reward is 0.9, but 0."),
        (set_key(METRICS, "kl/per_token", 0.9), "metrics.json: kl/per_token is 0.9, but 0.0"),
        (set_key(METRICS, "kl/new", 0.9), "metrics.json: kl/new is 0.9, but missing in the last line of"),
        (set_key(LINE, "metrics|kl/per_token", 0.9), "but 0.9 in the last line of"),
        (set_key(METRICS, "n", 41), "expected a list of 41 predictions, found 40"),
        (copy_scores("imdb/ppo/seed0", PREDICTIONS), "the 40 scores of"),
        (copy_scores("imdb/ppo/seed0", METRICS, LINE, PREDICTIONS), "seed is 0; expected 1 there"),
        (copy_scores("imdb/supervised/seed1", METRICS, LINE, PREDICTIONS), "method is 'supervised'"),
        (set_key("manifest.json", "seed", 7), "manifest.json: seed is 7; expected 1 there"),
        (set_key("config.json", "seed", 0), "config.json: seed is 0; expected 1 there"),
        (set_key("config.json", "alg|id", "nlpo"), "config.json: id is 'nlpo'; expected 'ppo' there"),
    ],
)
def test_files_of_a_run_that_disagree_are_named(
    params: Path, suite: Path, tmp_path: Path, damage: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Path(shutil.copytree(suite, tmp_path / "runs"))
    target = runs / "imdb/ppo/seed1"
    write_json(target / "manifest.json", {"task": "imdb", "method": "ppo", "seed": 1})
    damage(runs, target)
    assert aggregate(params, runs, tmp_path / "grue") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "imdb/ppo/seed1" in error and said in error
    assert not (tmp_path / "grue").exists()


def test_aggregation_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "datasets", "stable_baselines3", "nltk", "tokenizers", "scipy")
    code = f"import sys, rl4lms.cli.aggregate; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
