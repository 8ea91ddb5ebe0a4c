"""What is planned: every job in a fresh clone, the parts of a suite that --config names, and clear refusals."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from rl4lms.config.compose import methods
from rl4lms.config.params import Params
from tests.pipeline.checkout import ROOT, Checkout

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout.make(tmp_path_factory.mktemp("planning"))


def expected_jobs(suite: str) -> Counter[str]:
    params = Params.open(ROOT / "params", suite)
    grue = params.grue()
    tasks, n_seeds, n_algs = grue["tasks"], len(grue["seeds"]), len(grue["algs"])
    return Counter(
        {
            "prepare": len(tasks),
            "base_model": len({params.task(task)["model"]["family"] for task in tasks}),
            "reward_model": sum(entry["task"] in tasks for entry in params.reward_models().values()),
            "supervised": len(tasks) * n_seeds,
            "train": len(tasks) * 2 * n_algs * n_seeds,
            "evaluate": len(tasks) * len(methods(grue["algs"])) * n_seeds,
            "aggregate": 1,
        }
    )


def due(checkout: Checkout, **config: object) -> Counter[str]:
    return Counter(job["rule"] for job in checkout.jobs(**config) if job["due"])


def test_a_fresh_clone_plans_every_job(checkout: Checkout) -> None:
    assert due(checkout) == expected_jobs("mini")


def test_tables_without_runs_plan_every_job(checkout: Checkout) -> None:
    """The released tables may lie there; the runs behind them are still to be made."""
    grue = checkout.path / "results/mini/grue"
    grue.mkdir(parents=True)
    for job in checkout.jobs():
        if job["rule"] == "aggregate":
            for file in job["outputs"]:
                Path(checkout.path, file).touch()
    try:
        assert due(checkout) == expected_jobs("mini")
    finally:
        shutil.rmtree(checkout.path / "results")


@pytest.mark.parametrize("suite", ["tiny", "real", "paper"])
def test_every_suite_is_planned_under_its_own_results(checkout: Checkout, suite: str) -> None:
    jobs = checkout.jobs(suite=suite)
    assert Counter(job["rule"] for job in jobs) == expected_jobs(suite)
    assert all(file.startswith(f"results/{suite}/") for job in jobs for file in job["outputs"])
    assert all(f" --suite {suite} " in job["command"] for job in jobs)


def test_local_rows_are_an_input_and_an_option(checkout: Checkout, tmp_path: Path) -> None:
    rows = tmp_path / "common_gen/train.jsonl"
    rows.parent.mkdir()
    rows.touch()
    rows.with_name("README.md").touch()
    jobs = [job for job in checkout.jobs(suite="real", data_dir=str(tmp_path)) if job["rule"] == "prepare"]
    assert all(f" --data-dir {tmp_path} " in job["command"] for job in jobs)
    read = {job["command"].split(" --task ")[1].split()[0]: set(job["inputs"]) for job in jobs}
    assert {file for file in read["common_gen"] if file.startswith(str(tmp_path))} == {str(rows)}
    assert not any(file.startswith(str(tmp_path)) for file in read["imdb"])


def test_part_of_a_suite_is_its_runs_without_tables(checkout: Checkout) -> None:
    """The base model is still trained on the text of all tasks of its family."""
    counts = Counter(job["rule"] for job in checkout.jobs(tasks=["totto"], seeds=[1]))
    n_texts = len(Params.open(ROOT / "params").base_model("t5")["tasks"])
    planned = checkout.grue("-n", "grue_all", "--config", "tasks=[totto]", "seeds=[1]").stdout
    n_methods = len(methods(Params.open(ROOT / "params").grue()["algs"]))
    assert re.search(rf"^evaluate +{n_methods}$", planned, re.MULTILINE)
    assert counts == {
        "prepare": n_texts,
        "base_model": 1,
        "supervised": 1,
        "train": n_methods - 2,
        "evaluate": n_methods,
    }


def test_any_algorithm_with_params_can_be_asked_for(checkout: Checkout) -> None:
    jobs = checkout.jobs(algs=["trpo"], tasks=["imdb"], seeds=[0])
    commands = [job["command"] for job in jobs if job["rule"] == "train"]
    assert sorted(command.split("--method ")[1].split()[0] for command in commands) == ["supervised_trpo", "trpo"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("suite=mimi", 'unknown suite "mimi". Did you mean "mini"?'),
        ("suit=mini", "--config sets suite, tasks, algs, seeds, data_dir, container; found suit."),
        ("tasks=[imbd]", "--config tasks: ['imbd'] not in suite mini"),
        ("seeds=[zero]", "'zero' does not match"),
        ("seeds=[7]", "--config seeds: ['7'] not in suite mini"),
    ],
)
def test_a_wrong_config_is_refused(checkout: Checkout, config: str, message: str) -> None:
    result = checkout.grue("-n", "grue_all", "--config", config, check=False)
    assert result.returncode != 0
    assert message in result.stdout
    assert not (checkout.path / "results").exists()


def test_a_broken_param_is_refused_before_any_job(checkout: Checkout) -> None:
    task = checkout.path / "params/tasks/imdb.yaml"
    text = task.read_text()
    task.write_text(text.replace("n_iters:", "n_iterations:", 1))
    try:
        result = checkout.grue("-n", "grue_all", check=False)
    finally:
        task.write_text(text)
    assert result.returncode != 0
    assert "n_iterations" in result.stdout
    assert "n_iters" in result.stdout
