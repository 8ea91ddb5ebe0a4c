"""What the trainings of a suite were: sums and means over iterations, of hand-written logs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import DataError
from rl4lms.results.scores import SuiteScores
from rl4lms.results.training_facts import coincidences, training_tables

from .conftest import make_settings, write_suite

SETTINGS = make_settings(
    tasks=("imdb",), main_metrics={"imdb": "semantic/learned_automodel_metric"},
    methods=("zero_shot", "supervised", "ppo", "grpo"),
)  # fmt: skip


def rollout(tokens: int, length: float, reward: float, kl: float, **more: float) -> dict[str, float]:
    numbers = {"n_sampled_tokens": tokens, "ep_len_mean": length, "ep_len_std": 2.0, "ep_rew_mean": reward}
    return {f"rollout/{key}": value for key, value in {**numbers, "kl_mean": kl, **more}.items()}


def log(directory: Path, name: str, rows: list[Mapping[str, float]]) -> None:
    lines = (json.dumps({"iteration": i, **row}) + "\n" for i, row in enumerate(rows))
    (directory / f"{name}_info.jsonl").write_text("".join(lines))


@pytest.fixture
def suite(tmp_path: Path) -> Callable[[], SuiteScores]:
    runs = write_suite(tmp_path / "runs", SETTINGS)
    for method, more in {"ppo": {}, "grpo": {"groups_without_spread": 0.25}}.items():
        for seed in SETTINGS.seeds:
            directory = runs / "imdb" / method / f"seed{seed}"
            log(directory, "rollout", [rollout(100, 8.0, 0.2, 0.0, **more), rollout(140, 6.0, 0.6, 0.3, **more)])
            updates = [(4, 0.1), (2, 0.4)]  # an update that ended before its passes were done
            log(
                directory,
                "training",
                [{"train/n_minibatches": n, "train/clip_fraction": share} for n, share in updates],
            )
    return lambda: SuiteScores.read(runs, SETTINGS)


def test_numbers_are_sums_and_means_over_iterations(suite: Callable[[], SuiteScores]) -> None:
    facts = suite().trainings.facts.set_index(["method", "seed"]).loc[("grpo", 0)]
    expected: dict[str, Any] = {
        "sampled_tokens": 240, "iterations": 2, "optimiser_steps": 6, "clip_fraction": (4 * 0.1 + 2 * 0.4) / 6,
        "alike_groups": 0.25, "first_length": 8, "last_length": 6, "length_std": 2, "first_reward": 0.2,
        "last_reward": 0.6, "last_kl": 0.3,
    }  # fmt: skip
    assert {key: facts[key] for key in expected} == pytest.approx(expected)


def test_what_an_algorithm_does_not_log_is_not_measured(suite: Callable[[], SuiteScores]) -> None:
    scores = suite()
    facts = scores.trainings.facts
    assert facts.set_index(["method", "seed"])["alike_groups"].isna()["ppo"].all()
    (table,) = training_tables(scores, facts)
    assert table.row_keys == ("imdb/ppo", "imdb/grpo")
    column = [each.key for each in table.columns].index("alike_groups")
    assert [row[column].text for row in table.rows] == ["–", "0.250"]
    tokens = [each.key for each in table.columns].index("sampled_tokens")
    assert [row[tokens].text for row in table.rows] == ["240", "240"]


def test_a_run_without_logs_is_named(suite: Callable[[], SuiteScores], tmp_path: Path) -> None:
    (tmp_path / "runs/imdb/grpo/seed1/training_info.jsonl").unlink()
    with pytest.raises(DataError, match=r"grpo/seed1/training_info\.jsonl: no such file.* has not been trained"):
        _ = suite().trainings


def test_methods_with_the_same_scores_in_every_seed_are_said_to_be_one(suite: Callable[[], SuiteScores]) -> None:
    scores = suite()
    assert list(coincidences(scores)) == []
    runs = dict(scores.runs)
    for seed in SETTINGS.seeds:
        runs["imdb", "grpo", seed] = runs["imdb", "ppo", seed]
    (sentence,) = coincidences(replace(scores, runs=runs))
    assert sentence.startswith("IMDB: PPO, GRPO have the same scores")
    runs["imdb", "grpo", 1] = scores.runs["imdb", "grpo", 1]  # in one seed only
    assert list(coincidences(replace(scores, runs=runs))) == []
    assert not math.isnan(scores.trainings.facts["clip_fraction"].sum())
