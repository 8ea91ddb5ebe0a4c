"""What a scheduler is asked for: said in params/resources.yaml, per rule and suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rl4lms.config.params import Params
from tests.pipeline.checkout import ROOT, Checkout, shrink

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout.make(tmp_path_factory.mktemp("resources"))
    shrink(checkout, "imdb")
    return checkout


@pytest.fixture
def resources(checkout: Checkout) -> Iterator[Path]:
    """params/resources.yaml, taken back after the test."""
    path = checkout.path / "params/resources.yaml"
    text = path.read_text()
    yield path
    path.write_text(text)


def of_rule(checkout: Checkout, rule: str, **config: Any) -> dict[str, Any]:
    return next(job for job in checkout.jobs(**config) if job["rule"] == rule)


def test_every_rule_asks_for_what_params_say(checkout: Checkout) -> None:
    params = Params.open(ROOT / "params")
    said, n_threads = params.resources(), params.grue()["n_threads"]
    for job in checkout.jobs():
        expected = said[job["rule"]]
        assert job["threads"] == (expected["threads"] or n_threads)
        assert job["resources"] == [
            {"mem_mb": expected["mem_mb"] * attempt, "runtime": expected["runtime"]} for attempt in (1, 2, 3)
        ]


def test_a_suite_asks_for_its_own(checkout: Checkout) -> None:
    said = Params.open(ROOT / "params", "paper").resources()["train"]
    assert said["gpus"] == 1
    first, second, _ = of_rule(checkout, "train", suite="paper")["resources"]
    assert first == {"mem_mb": said["mem_mb"], "runtime": said["runtime"], "gpu": 1}
    assert second["mem_mb"] == 2 * said["mem_mb"]


def test_threads_and_gpus_of_a_rule(checkout: Checkout, resources: Path) -> None:
    checkout.set_param("resources.yaml", "train.threads", 3)
    checkout.set_param("resources.yaml", "evaluate.gpus", 2)
    jobs = {job["rule"]: job for job in checkout.jobs()}
    assert [jobs[rule]["threads"] for rule in ("train", "evaluate")] == [3, 1]
    assert jobs["evaluate"]["resources"][0]["gpu"] == 2
    assert "gpu" not in jobs["train"]["resources"][0]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("train.mem_gb", 4, 'train: unknown key "mem_gb". Did you mean "mem_mb"?'),
        ("train.mem_mb", "4 GB", 'train.mem_mb: expected an integer >= 1, found "4 GB".'),
        ("trian", {"mem_mb": 1, "runtime": 1}, 'unknown key "trian". Did you mean "train"?'),
    ],
)
def test_a_wrong_resource_is_refused_before_any_job(
    checkout: Checkout, resources: Path, key: str, value: Any, message: str
) -> None:
    checkout.set_param("resources.yaml", key, value)
    result = checkout.grue("-n", "grue_all", check=False)
    assert result.returncode != 0
    assert message in result.stdout
