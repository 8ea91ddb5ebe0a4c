"""A small finished suite in a copy of the project, whose stages run in this process."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rl4lms.cli.main import main
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.io import sha256_file
from rl4lms.metrics import classifier, perplexity
from tests.pipeline.checkout import Checkout

R = "results/tiny"
DATA, BASE, REWARD = f"{R}/data/imdb", f"{R}/models/base/gpt2", f"{R}/models/reward/sentiment"
RUNS, SCORES = f"{R}/runs/imdb", f"{R}/scores/imdb"
METHODS = ("zero_shot", "supervised", "ppo", "supervised_ppo")


def _task(stage: str, method: str, *more: str) -> list[str]:
    return [stage, "--suite", "tiny", "--task", "imdb", "--method", method, "--data", DATA, *more]


def train(method: str = "ppo", out: str | None = None) -> list[str]:
    start = f"{RUNS}/supervised/seed0/model" if method.startswith("supervised") else BASE
    places = ["--model", start, "--reward-model", REWARD, "--out", out or f"{RUNS}/{method}/seed0"]
    return _task("train", method, "--seed", "0", *places)


def evaluate(method: str = "ppo") -> list[str]:
    places = ["--base-model", BASE, "--reward-model", REWARD, "--run", f"{RUNS}/{method}/seed0", "--out"]
    return _task("evaluate", method, "--seed", "0", *places, f"{SCORES}/{method}/seed0")


PREPARE = ["prepare", "--suite", "tiny", "--task", "imdb", "--out", DATA]
BASE_MODEL = ["base-model", "--suite", "tiny", "--family", "gpt2", "--data", f"{R}/data", "--out", BASE]
REWARD_MODEL = ["reward-model", "--suite", "tiny", "--name", "sentiment", "--data", DATA, "--out", REWARD]
SUPERVISED = _task("supervised", "supervised", "--seed", "0", "--model", BASE, "--out", f"{RUNS}/supervised/seed0")
AGGREGATE = ["aggregate", "--suite", "tiny", "--runs", f"{R}/runs", "--scores", f"{R}/scores", "--out", f"{R}/grue"]


def make(directory: Path) -> Path:
    """A copy of the project with params and one task of suite tiny, finished; its directory."""
    checkout = Checkout.make(directory, stub=False)
    overlay = checkout.path / "params/suites/tiny/grue.yaml"
    overlay.write_text(json.dumps({**load_yaml(overlay), "tasks": ["imdb"], "algs": ["ppo"]}))
    stages = [PREPARE, BASE_MODEL, REWARD_MODEL, SUPERVISED, train(), train("supervised_ppo")]
    for stage in [*stages, *map(evaluate, METHODS), AGGREGATE]:
        assert run(checkout.path, stage) == 0
    return checkout.path


def run(directory: Path, stage: Sequence[str]) -> int:
    """The exit code of a stage, run in `directory` and in this process; an exception that it lets out comes along."""
    for cached in (perplexity.perplexity_model, perplexity.perplexity_tokenizer, classifier.load_classifier):
        cached.cache_clear()  # a process of its own would read its models anew
    before = Path.cwd()
    os.chdir(directory)
    try:
        return main(stage)
    finally:
        os.chdir(before)


def copy(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("rl4lms", ".git")))


def digests(directory: Path, *skip: Path) -> dict[str, str]:
    """File of results -> sha256, of all that a reader of results sees."""
    files = [p for p in (directory / R).rglob("*") if p.is_file() and p not in skip]
    shown = [p for p in files if not any(part.startswith(".") for part in p.relative_to(directory).parts)]
    return {
        str(p.relative_to(directory)): sha256_file(p) for p in shown if p.name not in ("timing.jsonl", "manifest.json")
    }


def one_error(said: Any) -> str:
    """The error that a failed stage printed: one line, and no traceback anywhere."""
    assert "Traceback" not in said.err
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, said.err
    return str(errors[0])
