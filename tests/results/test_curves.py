"""Curves by sampled tokens, against values by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from rl4lms.results.curves import TOKENS_COLUMN, aligned, seeds_mean, tokens_before
from rl4lms.results.run_directory import RunDirectory
from rl4lms.results.scores import SuiteScores
from rl4lms.results.training_logs import TrainingLogs

from .conftest import make_settings, write_suite


def rollouts(*tokens: int) -> list[dict[str, float]]:
    """Of groups, some of whose episodes are thrown away: what was sampled, not what was kept, is what was spent."""
    return [{"iteration": k, "rollout/n_sampled_tokens": n, "rollout/n_steps": n // 2} for k, n in enumerate(tokens)]


def test_an_iteration_is_at_the_tokens_that_were_sampled_before_it() -> None:
    assert tokens_before(rollouts(100, 140, 60)) == {0: 0, 1: 100, 2: 240, 3: 300}
    assert tokens_before([]) == {0: 0}
    assert tokens_before([{"iteration": 0, "rollout/n_steps": 24}]) == {}, "kept tokens are not taken for sampled ones"


def test_curves_are_pooled_where_all_have_values() -> None:
    one, other = pd.Series([1.0, 3.0, 5.0], [0, 1, 2]), pd.Series([2.0, 4.0], [0, 1])
    assert aligned({0: one, 1: other}, interpolate=False).to_dict("list") == {0: [1.0, 3.0], 1: [2.0, 4.0]}


def test_curves_are_pooled_at_equal_tokens() -> None:
    one, other = pd.Series([0.0, 1.0, 2.0], [0, 100, 300]), pd.Series([1.0, 3.0], [0, 200])
    table = aligned({0: one, 1: other}, interpolate=True)
    assert list(table.index) == [0, 100, 200], "no farther than the one that sampled least"
    assert table.to_dict("list") == {0: [0.0, 1.0, 1.5], 1: [1.0, 2.0, 3.0]}
    rows = [(0, 0, 0.0), (0, 100, 1.0), (0, 300, 2.0), (1, 0, 1.0), (1, 200, 3.0)]
    mean = seeds_mean(pd.DataFrame(rows, columns=["seed", TOKENS_COLUMN, "value"]), "tokens")
    assert mean.to_dict() == {0: 0.5, 100: 1.5, 200: 2.25}


def test_a_suite_says_of_each_point_how_many_tokens_were_sampled_before(scores: SuiteScores) -> None:
    run = scores.curves.query("task == 'imdb' and method == 'ppo' and seed == 0").set_index("metric")
    # Iteration k of the synthetic runs samples 100 + k tokens.
    assert run.loc["reward", TOKENS_COLUMN].tolist()[:4] == [0, 100, 201, 303]
    assert run.loc["main_metric", "iteration"].tolist() == [0, 5, 9]
    assert run.loc["main_metric", TOKENS_COLUMN].tolist() == [0, 510, 936]
    assert scores.trainings.facts["sampled_tokens"].unique().tolist() == [1045.0]


def test_each_log_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_settings(tasks=("imdb",), main_metrics={"imdb": "lexical/meteor"}, seeds=(0,))
    runs = write_suite(tmp_path, settings)
    read: list[str] = []
    original = RunDirectory.log

    def counted(self: RunDirectory, name: str, *columns: str) -> list[dict[str, object]]:
        read.append(f"{self.run.relative_to(runs)}/{name}")
        return original(self, name, *columns)

    monkeypatch.setattr(RunDirectory, "log", counted)
    scores = SuiteScores.read(runs, settings)
    _ = scores.curves, scores.trainings.facts, scores.curves_of("imdb", "reward")
    assert len(read) == len(set(read)) == 2 * 3, "of two RL runs three logs each"


def test_a_run_that_logged_no_sampled_tokens_has_curves_by_iteration_only() -> None:
    run = RunDirectory.open(Path(__file__).with_name("previous_release"))
    metric = "synthetic/increasing_numbers_in_text"
    settings = make_settings(tasks=("imdb",), main_metrics={"imdb": metric})
    logs = TrainingLogs.read({("imdb", "ppo", 3): run}, settings)
    assert logs.curves[TOKENS_COLUMN].isna().all() and len(logs.curves) > 0
    assert math.isnan(logs.facts["sampled_tokens"].item())
