"""What a change makes stale, and what a failure leaves: in both DAGs, over stages that cost nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.checkout import Checkout, shrink

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A small benchmark that Snakemake has run and DVC has recorded."""
    checkout = Checkout.make(tmp_path_factory.mktemp("staleness"))
    shrink(checkout, "imdb", "common_gen", algs=["ppo"], baselines=["best_of_n"], seeds=(0, 1))
    checkout.grue("grue_all")
    checkout.target("record")
    return checkout


@pytest.fixture
def restored(finished: Checkout) -> Iterator[Checkout]:
    """The finished benchmark; a test's edits of params and code are taken back."""
    sources = [p for d in ("params", "rl4lms") for p in (finished.path / d).rglob("*") if p.is_file()]
    saved = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in sources if "__pycache__" not in path.parts}
    yield finished
    for path, (content, mtime) in saved.items():
        if path.read_bytes() != content:
            path.write_bytes(content)
        os.utime(path, ns=(mtime, mtime))


def stages_of(commands: set[str]) -> set[str]:
    return {command.split()[3] for command in commands}


def test_a_finished_benchmark_has_nothing_to_do(finished: Checkout) -> None:
    assert finished.due() == set()
    assert finished.stale() == set()


@pytest.mark.parametrize(
    "asked",
    [
        {"seeds": ["1"], "tasks": ["common_gen"]},
        {"algs": []},
        {"baselines": []},
        {"seeds": [1, 0], "tasks": ["common_gen", "imdb"], "algs": ["ppo"]},
        {"suite": "mini"},
    ],
)
def test_how_a_result_is_asked_for_is_no_dependency(finished: Checkout, asked: dict[str, object]) -> None:
    assert finished.due(**asked) == set()


def test_more_seeds_leave_what_is_done(restored: Checkout) -> None:
    """The third seed alone is trained and scored, in both DAGs, and the tables are made again."""
    restored.set_param("grue.yaml", "seeds", [1, 2, 0])
    due = restored.due()
    assert restored.stale() == due
    assert stages_of(due) == {"supervised", "train", "evaluate", "aggregate"}
    assert all("--seed 2 " in command for command in due if "aggregate" not in command)


LEARNING = {"train", "evaluate", "aggregate"}
# file, key, new value, the stages that have to run again
CHANGES = [
    ("tasks/imdb.yaml", "data.n_test", 7, {"prepare", "base-model", "reward-model", "supervised", *LEARNING}),
    ("tasks/common_gen.yaml", "rl.n_iters", 7, LEARNING),
    ("algs/ppo.yaml", "args.clip_range", 0.77, LEARNING),
    ("grue.yaml", "best_of_n.n", 3, {"evaluate", "aggregate"}),
    ("grue.yaml", "aggregate.bootstrap.n_resamples", 77, {"aggregate"}),
]


@pytest.mark.parametrize(("file", "key", "value", "stages"), CHANGES)
def test_a_change_makes_the_same_stages_stale(
    restored: Checkout, file: str, key: str, value: float, stages: set[str]
) -> None:
    restored.set_param(file, key, value)
    due = restored.due()
    assert stages_of(due) == stages
    assert restored.stale() == due
    if file.startswith("tasks/"):
        other = "common_gen" if "imdb" in file else "imdb"
        assert not any(f"--task {other} " in command for command in due)
    if key.startswith("best_of_n"):
        assert all("--method best_of_n " in command for command in due if "evaluate" in command)


def test_code_makes_its_stages_stale(restored: Checkout) -> None:
    source = restored.path / "rl4lms/cli/aggregate.py"
    source.write_text(source.read_text() + "\n# changed\n")
    due = restored.due()
    assert stages_of(due) == {"aggregate"}
    assert restored.stale() == due


def test_a_comment_or_a_touch_makes_nothing_stale(restored: Checkout) -> None:
    for name in ("tasks/imdb.yaml", "algs/ppo.yaml", "grue.yaml"):
        path = restored.path / "params" / name
        path.write_text("# a word\n" + path.read_text())
    (restored.path / "rl4lms/cli/train.py").touch()
    assert restored.due() == set()
    assert restored.stale() == set()


def test_resources_are_part_of_no_result(restored: Checkout) -> None:
    """Neither what params/ says of them, nor a suite's own file, though DVC watches the suite's whole directory."""
    for key, value in (("mem_mb", 77_000), ("runtime", 7), ("threads", 2), ("gpus", 1)):
        restored.set_param("resources.yaml", f"train.{key}", value)
    overlay = restored.path / "params/suites/mini/resources.yaml"
    overlay.write_text("evaluate: {mem_mb: 88000}")
    try:
        jobs = restored.jobs()
        assert {job["resources"][0]["mem_mb"] for job in jobs if job["rule"] == "evaluate"} == {88_000}
        assert not [job["command"] for job in jobs if job["due"]]
        assert restored.stale() == set()
    finally:
        overlay.unlink()


def test_a_failed_job_loses_no_progress_and_stops_no_other(restored: Checkout) -> None:
    restored.set_param("algs/ppo.yaml", "args.clip_range", 0.78)
    failed = "results/mini/runs/imdb/supervised_ppo"
    result = restored.grue("grue_all", check=False, FAIL="train imdb supervised_ppo 0")
    assert result.returncode != 0
    assert "told to fail" in result.stdout, "the job's log is shown"
    assert not Path(restored.path, failed, "seed0/model/model.safetensors").exists()
    assert Path(restored.path, failed, ".seed0.work/checkpoint").exists()
    remaining = restored.due()
    assert stages_of(remaining) == {"train", "evaluate", "aggregate"}
    assert sum("train" in command.split() for command in remaining) == 1
    restored.grue("grue_all")
    assert restored.due() == set()
