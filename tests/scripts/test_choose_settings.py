"""The choice of a setting: the highest mean of scaled gains on validation, written into the algorithm's file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from rl4lms.config.params import Params
from rl4lms.core.errors import DataError
from scripts.choose_settings import choose, validated, with_recorded, write_choice

ROOT = Path(__file__).resolve().parents[2] / "params"
SEARCH = "# As it is.\nsearch:\n  n_points: 3\n  values:\n    args.learning_rate: {low: 0.001, high: 0.1, log: true}\n"
METRICS = {"imdb": "semantic/learned_automodel_metric", "iwslt2017": "lexical/ter"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    params = Path(shutil.copytree(ROOT, tmp_path / "params"))
    (params / "suites/answer/algs").mkdir(parents=True)
    (params / "suites/answer/algs/ppo.yaml").write_text(SEARCH)
    (params / "suites/answer/grue.yaml").write_text(
        "tasks: [imdb, iwslt2017]\nalgs: [ppo]\nseeds: [1]\nstarts: [supervised]\n"
        "aggregate: {gain_scale: {imdb: 0.1, iwslt2017: 0.5}}\n"
    )
    (params / "suites/answer/tasks").mkdir()
    (params / "suites/answer/tasks/iwslt2017.yaml").write_text("evaluation: {main_metric: lexical/ter}\n")
    (params / "suites/search").mkdir()
    (params / "suites/search/grue.yaml").write_text("extends: answer\nalgs: [ppo.0, ppo.1, ppo.2]\nseeds: [100, 101]\n")
    return tmp_path


def write(project: Path, task: str, k: int, seed: int, values: list[float]) -> None:
    run = project / "results" / "runs" / task / f"supervised_ppo.{k}" / f"seed{seed}"
    run.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"epoch": i, "metrics": {METRICS[task]: value}}) for i, value in enumerate(values)]
    (run / "val_split_metrics.jsonl").write_text("\n".join(lines) + "\n")
    rollout = {"iteration": 0, "rollout/ep_rew_mean": 0.5, "rollout/kl_mean": 0.0}
    (run / "rollout_info.jsonl").write_text(json.dumps(rollout) + "\n")


def test_the_highest_mean_of_scaled_gains_is_chosen_and_less_ter_is_a_gain(project: Path) -> None:
    gains = {0: (0.02, 0.0), 1: (0.01, 0.2), 2: (0.03, -0.4)}  # of imdb in its units, of iwslt2017's TER
    for k, (imdb, ter) in gains.items():
        for seed in (100, 101):
            write(project, "imdb", k, seed, [0.5, 0.9, 0.5 + imdb])  # what is between the ends does not count
            write(project, "iwslt2017", k, seed, [0.8, 0.8 - ter])
    params = Params.open(project / "params", "search")
    table = validated(params, project / "results")
    means = table.groupby("point")["gain"].mean()
    assert means.tolist() == pytest.approx([0.1, 0.25, -0.25])
    assert choose(table).to_dict() == {"ppo": 1}


def test_of_equals_the_first_is_chosen(project: Path) -> None:
    for k in range(3):
        for seed in (100, 101):
            write(project, "imdb", k, seed, [0.5, 0.6 if k else 0.5])
            write(project, "iwslt2017", k, seed, [0.8, 0.8])
    assert choose(validated(Params.open(project / "params", "search"), project / "results")).to_dict() == {"ppo": 1}


def test_a_missing_run_is_named(project: Path) -> None:
    with pytest.raises(DataError, match=r"supervised_ppo.0/seed100.*train it"):
        validated(Params.open(project / "params", "search"), project / "results")


def test_algorithms_are_added_to_what_is_recorded(project: Path) -> None:
    grue = project / "params/suites/search/grue.yaml"
    grue.write_text(grue.read_text().replace("ppo.2]", "ppo.2, a2c.0, a2c.1]"))
    shutil.copy(project / "params/suites/answer/algs/ppo.yaml", project / "params/suites/answer/algs/a2c.yaml")
    for k in range(3):
        for seed in (100, 101):
            write(project, "imdb", k, seed, [0.5, 0.5 + 0.1 * k])
            write(project, "iwslt2017", k, seed, [0.8, 0.8])
    table = validated(Params.open(project / "params", "search"), project / "results")
    assert set(table["algorithm"]) == {"ppo"}, "nothing of a2c is there"
    recorded = project / "points.csv"
    pd.DataFrame({"algorithm": ["a2c", "ppo"], "point": [0, 0], "gain": [0.5, 9.0]}).to_csv(recorded, index=False)
    together = with_recorded(table, recorded)
    assert together["algorithm"].value_counts().to_dict() == {"a2c": 1, "ppo": 12}
    assert together[together["algorithm"] == "a2c"]["gain"].tolist() == [0.5]
    assert together["gain"].max() < 9, "what was run again replaces what was recorded"


def test_the_choice_is_one_line_of_the_file_and_may_be_made_again(project: Path) -> None:
    file = project / "params/suites/answer/algs/ppo.yaml"
    for k in (2, 1):
        write_choice(file, k, 0.25)
        assert file.read_text() == SEARCH.replace(
            "search:\n", f"search:\n  chosen: {k}  # of suite tuning, with the highest mean gain, 0.250\n"
        )
        assert Params.open(project / "params", "answer").alg("ppo")["point"]["args"] == pytest.approx(
            Params.open(project / "params", "answer").alg(f"ppo.{k}")["point"]["args"]
        )
