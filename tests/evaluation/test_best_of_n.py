"""Best of n: which text is chosen, that a smaller n has the first of the same candidates, and the stage's files."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from rl4lms.cli.main import main
from rl4lms.evaluation.best_of_n import best_of_n, choose
from rl4lms.evaluation.generation import Generation
from tests.conftest import tiny_model

from .test_evaluate_stage import REPOSITORY, TASK, world
from .test_generation import FAMILIES, SAMPLES, generator

__all__ = ["world"]


def test_the_highest_reward_wins_and_the_first_of_equals() -> None:
    candidates = [
        Generation([[1], [2, 3]], ["a", "b"]),
        Generation([[4], [5]], ["c", "d"]),
        Generation([[], [6]], ["", "e"]),
    ]
    chosen = choose(candidates, [[1.0, 0.0], [1.0, 2.0], [0.5, 2.0]])
    assert chosen.generation == Generation([[1], [5]], ["a", "d"])
    assert chosen.rewards == [1.0, 2.0]
    assert chosen.n_tokens == 6


@pytest.fixture(params=FAMILIES)
def build(request: pytest.FixtureRequest) -> Any:
    """A generator of a tiny model that samples, by its batch size."""
    model = tiny_model(request.param)
    return lambda batch_size: generator(model, batch_size, do_sample=True)


def test_candidates_depend_neither_on_batches_nor_on_how_many_there_are(build: Any) -> None:
    """More candidates than a batch holds are drawn in parts of it."""
    whole = build(100).candidates(SAMPLES, range(2, 8))
    assert [each.token_ids for each in build(4).candidates(SAMPLES, range(2, 8))] == [g.token_ids for g in whole]
    assert [each.token_ids for each in build(7).candidates(SAMPLES, range(2, 4))] == [g.token_ids for g in whole[:2]]
    assert build(5).candidates(SAMPLES, []) == []
    drawn = [tuple(row) for each in (build(5).generate(SAMPLES), *whole) for row in each.token_ids]
    assert len(set(drawn)) > len(drawn) / 2, "every candidate has a stream of its own"


def test_the_reward_never_falls_with_n(build: Any) -> None:
    def rewards(each: Generation) -> list[float]:
        return [float(sum(row) % 17) for row in each.token_ids]

    found = [best_of_n(build(6), build(6), SAMPLES, rewards, n) for n in (1, 2, 3, 8)]
    assert found[0].generation == build(6).generate(SAMPLES)
    for fewer, more in itertools.pairwise(found):
        assert all(a <= b for a, b in zip(fewer.rewards, more.rewards, strict=True))
        assert fewer.n_tokens < more.n_tokens
    assert sum(found[-1].rewards) > sum(found[0].rewards)


def evaluate(world: Path, directory: Path, method: str, n: int) -> dict[str, Any]:
    """The stage's files of the seed's supervised model: name -> text."""
    params = directory / f"params{n}"
    if not params.exists():
        params.mkdir()
        for path in (REPOSITORY / "params").iterdir():
            (params / path.name).symlink_to(path)
        text = (params / "grue.yaml").read_text()
        (params / "grue.yaml").unlink()
        (params / "grue.yaml").write_text(text.replace("best_of_n: {n: 8,", f"best_of_n: {{n: {n},"))
    out = directory / f"{method}{n}"
    places = {
        "data": world / "data",
        "base-model": world / "base",
        "run": world / "runs" / TASK / "supervised" / "seed0",
    }
    words = [word for name, path in {**places, "out": out}.items() for word in (f"--{name}", str(path))]
    common = ["evaluate", "--params-dir", str(params), "--quiet", "--task", TASK, "--method", method, "--seed", "0"]
    assert main([*common, *words]) == 0
    return {name: (out / name).read_text() for name in ("metrics.json", "test_predictions.json")}


@pytest.mark.slow
def test_best_of_one_is_supervised_and_more_is_never_worse(world: Path, tmp_path: Path) -> None:
    supervised = evaluate(world, tmp_path, "supervised", 1)
    one, five = (evaluate(world, tmp_path, "best_of_n", n) for n in (1, 5))
    assert one["test_predictions.json"] == supervised["test_predictions.json"]
    metrics, of_one, of_five = (json.loads(each["metrics.json"]) for each in (supervised, one, five))
    cost = of_one.pop("cost/tokens")
    assert of_one == {key: value for key, value in metrics.items() if not key.startswith("kl/")}, "it has no KL"
    rows, best = (json.loads(each["test_predictions.json"]) for each in (supervised, five))
    gains = [after["reward"] - before["reward"] for before, after in zip(rows, best, strict=True)]
    assert min(gains) >= 0.0 and max(gains) > 0.0
    assert of_five["reward"] > metrics["reward"]
    assert cost < of_five["cost/tokens"] <= 5 * 16
