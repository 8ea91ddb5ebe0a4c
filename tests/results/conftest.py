"""Synthetic suites: runs as the evaluation stage writes them, with effects that are known beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rl4lms.config.compose import algorithm_of, methods, starting_point
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.gains import suite_gains
from rl4lms.results.normalised_gains import SuiteStatistics
from rl4lms.results.scores import SuiteScores
from rl4lms.results.suite import MetricScale, SuiteSettings
from rl4lms.results.table import Table
from rl4lms.results.tables import grue_tables

from .two_runs import make_run

__all__ = ["make_run"]

PERPLEXITY = "fluency_metrics/perplexity"
DISTINCT = "diversity_metrics/distinct-2"
SCALES = {
    "semantic/learned_automodel_metric": MetricScale(0.0, 1.0),
    "lexical/meteor": MetricScale(0.0, 1.0),
    "lexical/sacrebleu": MetricScale(0.0, 1.0),
    PERPLEXITY: MetricScale(1000.0, 1.0, log=True),
    DISTINCT: MetricScale(0.0, 1.0),
}
MAIN_METRICS = {
    "imdb": "semantic/learned_automodel_metric",
    "common_gen": "lexical/meteor",
    "iwslt2017": "lexical/sacrebleu",
}
CORPUS_VALUES = ("lexical/sacrebleu",)  # not the mean of the scores per sample
LEVELS = {
    "zero_shot": 0.2,
    "supervised": 0.4,
    "best_of_n": 0.5,
    "ppo": 0.35,
    "supervised_ppo": 0.55,
    "nlpo": 0.37,
    "supervised_nlpo": 0.57,
}
# The size of the embedded suite: seven tasks, six methods, two seeds.
FULL = {
    **MAIN_METRICS,
    "cnn_dailymail": "lexical/rouge_rouge1",
    "totto": "table_to_text/parent_overall_f_score",
    "narrative_qa": "lexical/rouge_l_max",
    "daily_dialog": "intent/accuracy",
}


def statistics_of(scores: SuiteScores) -> SuiteStatistics:
    return SuiteStatistics.of(scores.frame, scores.settings)


def tables_of(scores: SuiteScores) -> list[Table]:
    return grue_tables(scores, statistics_of(scores), suite_gains(scores))


def make_settings(**changes: Any) -> SuiteSettings:
    values: dict[str, Any] = {
        "suite": "tiny",
        "tasks": tuple(MAIN_METRICS),
        "methods": tuple(methods(["ppo"])),
        "seeds": (0, 1),
        "main_metrics": MAIN_METRICS,
        "scales": SCALES,
        "naturalness": (PERPLEXITY, DISTINCT),
        "n_resamples": 500,
        "level": 0.95,
        "bootstrap_seed": 0,
    }
    return SuiteSettings(**{**values, **changes})


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def level_of(method: str) -> float:
    """An algorithm that is not in LEVELS gains a little over where it starts."""
    return LEVELS[method] if method in LEVELS else LEVELS[starting_point(method)] + 0.1


def write_run(runs: Path, settings: SuiteSettings, task: str, method: str, seed: int, n: int = 40) -> None:
    """One evaluated run; level and noise of its scores follow LEVELS, prompts are shared by all runs of a task."""
    rng, main = numpy_generator("run", task, method, seed), settings.main_metrics[task]
    scores = (level_of(method) + 0.1 * rng.standard_normal(n)).clip(0, 1)
    rewards = (level_of(method) + 0.1 * rng.standard_normal(n)).clip(0, 1)
    metrics: dict[str, float] = {main: float(scores.mean()), DISTINCT: 0.5 + 0.01 * seed}
    if task == "imdb":
        metrics[PERPLEXITY] = 40.0 - 20.0 * level_of(method)
    started = algorithm_of(method) is not None or method == "supervised"
    kl = 0.05 * level_of(method) if started else 0.0
    metrics |= {"reward": float(rewards.mean()), "base/perplexity": 30.0}
    metrics |= {"cost/tokens": 128.0} if method == "best_of_n" else {"kl/per_token": kl, "kl/per_sequence": 20 * kl}
    rows = []
    for i in range(n):
        row = {"split_name": "test", "sample_id": f"test_{i}", "prompt_text": f"<b>prompt</b> {task} {i}"}
        row |= {"generated_text": f"{method} & seed {seed} text {i}", "ref_text": f"<START-1>reference {i}<END-1>"}
        row[main] = float(scores[i]) * (0.9 if main in CORPUS_VALUES else 1.0)
        rows.append({**row, "reward": float(rewards[i])})
    directory = runs / task / method / f"seed{seed}"
    write_json(directory / "metrics.json", {**metrics, "n": n})
    write_json(directory / "test_predictions.json", rows)
    run = {"task": task, "method": method, "seed": seed}
    means = [key for key in (main, "reward") if key not in CORPUS_VALUES]
    labels = {"lexical/meteor": "WordNet 3.0"} if task == "common_gen" else {}
    line = {**run, "epoch": 1, "metrics": metrics, "labels": labels, "means": means}
    write_json(directory / "test_split_metrics.jsonl", line)
    if algorithm_of(method) is not None:
        write_curves(directory, main, level_of(starting_point(method)), level_of(method), rng)


def write_curves(directory: Path, main: str, first: float, last: float, rng: Any, n_iters: int = 10) -> None:
    rollouts, updates, epochs = [], [], []
    for k in range(n_iters):
        share = k / (n_iters - 1)
        reward = first + (last - first) * share**0.6 + 0.01 * rng.standard_normal()
        rollouts.append({"iteration": k, "rollout/ep_rew_mean": reward, "rollout/kl_mean": 0.04 * share})
        rollouts[-1]["rollout/n_sampled_tokens"] = 100 + k
        updates.append({"iteration": k, "train/n_minibatches": 4, "train/clip_fraction": 0.1 * share})
        if k % 5 == 0 or k == n_iters - 1:
            epochs.append({"epoch": k, "metrics": {main: reward}})
    (directory / "rollout_info.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rollouts))
    (directory / "training_info.jsonl").write_text("".join(json.dumps(row) + "\n" for row in updates))
    (directory / "val_split_metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in epochs))


def write_suite(runs: Path, settings: SuiteSettings) -> Path:
    for task in settings.tasks:
        for method in settings.methods:
            for seed in settings.seeds:
                write_run(runs, settings, task, method, seed)
    return runs


@pytest.fixture(scope="session")
def settings() -> SuiteSettings:
    return make_settings()


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, settings: SuiteSettings) -> Path:
    """A finished suite, to be read only."""
    return write_suite(tmp_path_factory.mktemp("suite") / "runs", settings)


@pytest.fixture(scope="session")
def scores(runs: Path, settings: SuiteSettings) -> SuiteScores:
    return SuiteScores.read(runs, settings)


def full_settings() -> SuiteSettings:
    scales = {**SCALES, **{metric: MetricScale(0.0, 1.0) for metric in FULL.values()}}
    return make_settings(
        suite="full", tasks=tuple(FULL), main_metrics=FULL, methods=tuple(methods(["ppo", "nlpo"])), scales=scales
    )


@pytest.fixture
def suite_with(tmp_path: Path) -> Callable[..., SuiteScores]:
    """Write and read a suite whose settings differ from the default ones."""

    def build(**changes: Any) -> SuiteScores:
        settings = make_settings(**changes)
        return SuiteScores.read(write_suite(tmp_path / "runs", settings), settings)

    return build


@pytest.fixture
def own_runs(tmp_path: Path, settings: SuiteSettings) -> Path:
    """A finished suite that a test may damage."""
    return write_suite(tmp_path / "runs", settings)
