"""What is planned: every job in a fresh clone, the parts of a suite that --config names, and clear refusals."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from rl4lms.config.compose import algorithm_of, methods
from rl4lms.config.params import Params
from tests.pipeline.checkout import ROOT, Checkout, shrink

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout.make(tmp_path_factory.mktemp("planning"))


def expected_jobs(suite: str) -> Counter[str]:
    params = Params.open(ROOT / "params", suite)
    grue = params.grue()
    tasks, n_seeds = grue["tasks"], len(grue["seeds"])
    run = methods(grue["algs"], grue["baselines"], grue["starts"])
    families = {params.task(task)["model"]["family"] for task in tasks}
    return Counter(
        {
            "prepare": len({*tasks, *(task for family in families for task in params.base_model(family)["tasks"])}),
            "base_model": len(families),
            "reward_model": sum(entry["task"] in tasks for entry in params.reward_models().values()),
            "supervised": len(tasks) * n_seeds,
            "train": len(tasks) * sum(algorithm_of(method) is not None for method in run) * n_seeds,
            "evaluate": len(tasks) * len(run) * n_seeds,
            "aggregate": 1,
        }
    )


def due(checkout: Checkout, **config: object) -> Counter[str]:
    return Counter(job["rule"] for job in checkout.jobs(**config) if job["due"])


def test_a_fresh_clone_plans_every_job(checkout: Checkout) -> None:
    assert due(checkout) == expected_jobs("mini")


def test_without_a_target_the_benchmark_is_planned(checkout: Checkout) -> None:
    plan = checkout.run("snakemake", "-n", "--config", "suite=tiny").stdout
    counted = dict(re.findall(r"^(\w+) +(\d+)$", plan.split("Job stats:")[1].split("total")[0], re.MULTILINE))
    assert {rule: int(n) for rule, n in counted.items()} == {**expected_jobs("tiny"), "all": 1}
    assert "Job 0: suite tiny, with results/tiny/grue/report.html" in plan, "not the names of all files"


def test_a_suite_of_one_task_prepares_what_its_family_reads(checkout: Checkout) -> None:
    suite = checkout.path / "params/suites/mine"
    suite.mkdir()
    (suite / "grue.yaml").write_text("tasks: [imdb]\n", encoding="utf-8")
    prepared = {Path(job["outputs"][0]).parent.name for job in checkout.jobs(suite="mine") if job["rule"] == "prepare"}
    assert prepared == set(Params.open(ROOT / "params").base_model("gpt2")["tasks"])


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


def real_rows(directory: Path) -> Path:
    """A file of training rows for every task of the suite `real`."""
    for task in Params.open(ROOT / "params", "real").grue()["tasks"]:
        (directory / task).mkdir()
        (directory / task / "train.jsonl").touch()
    return directory


@pytest.mark.parametrize(
    "suite", ["tiny", "real", "paper", "study", "study_more", "tuning", "study_gpu", "tuning_gpu", "pretrained"]
)
def test_every_suite_is_planned_under_its_own_results(checkout: Checkout, suite: str, tmp_path: Path) -> None:
    rows = str(real_rows(tmp_path))
    own = {"real": {"data_dir": rows}, "pretrained": {"data_dir": {"common_gen": rows}}}
    jobs = checkout.jobs(suite=suite, **own.get(suite, {}))
    assert Counter(job["rule"] for job in jobs) == expected_jobs(suite)
    assert all(file.startswith(f"results/{suite}/") for job in jobs for file in job["outputs"])
    assert all(f" --suite {suite} " in job["command"] for job in jobs)


def test_local_rows_are_an_input_and_an_option(checkout: Checkout, tmp_path: Path) -> None:
    rows = real_rows(tmp_path) / "common_gen/train.jsonl"
    rows.with_name("README.md").touch()
    jobs = [job for job in checkout.jobs(suite="real", data_dir=str(tmp_path)) if job["rule"] == "prepare"]
    assert all(f" --data-dir {tmp_path} " in job["command"] for job in jobs)
    read = {job["command"].split(" --task ")[1].split()[0]: set(job["inputs"]) for job in jobs}
    assert {file for file in read["common_gen"] if file.startswith(str(tmp_path))} == {str(rows)}
    assert {file for file in read["imdb"] if file.startswith(str(tmp_path))} == {str(tmp_path / "imdb/train.jsonl")}


ODD = """a{b c d'q"x %s %(a)s $HOME `id` ü #z ; &"""


def write_rows(folder: Path, word: str = "runs") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"concepts": ["dog", f"w{i}"], "target": f"A dog {word} w{i}."} for i in range(60)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_own_rows_stand_beside_generated_ones(tmp_path: Path) -> None:
    """One task's rows are its own, by params and by --config; the other's are generated. Both DAGs, stages for real."""
    checkout = Checkout.make(tmp_path / "checkout", stub=False)
    shrink(checkout, "imdb", "common_gen")
    write_rows(checkout.path / "data/own")
    checkout.set_param("tasks/common_gen.yaml", "data.data_dir", "data/own")
    checkout.grue("data_all")
    prepared = {file: (checkout.path / file).read_bytes() for file in checkout.made() if "/data/" in file}
    sources = {json.loads(text)["task"]: json.loads(text)["source"] for f, text in prepared.items() if "summary" in f}
    assert sources == {"imdb": "generator", "common_gen": "local"}
    assert checkout.grue("-n", "data_all").stdout.count("Nothing to be done") == 1
    checkout.run("dvc", "repro", "--quiet", "recipes")
    checkout.run("dvc", "commit", "--force", "--quiet", "prepare@imdb", "prepare@common_gen")
    assert not {command for command in checkout.stale() if " prepare " in command}
    write_rows(checkout.path / "data/own", "jumps")
    due = {command for command in checkout.due() if " prepare " in command}
    assert len(due) == 1 and " --task common_gen " in next(iter(due))
    assert due <= checkout.stale()
    checkout.run("dvc", "repro", "--quiet", "--single-item", "prepare@imdb", "prepare@common_gen")
    changed = {file for file, content in prepared.items() if (checkout.path / file).read_bytes() != content}
    assert changed and all("/common_gen/" in file for file in changed)
    write_rows(tmp_path / ODD / "common_gen")
    asked = ("--config", f"data_dir={{common_gen: {json.dumps(str(tmp_path / ODD))}}}")
    checkout.grue("results/mini/data/common_gen/train.jsonl", *asked)
    again = checkout.grue("-n", "results/mini/data/common_gen/train.jsonl", *asked, cores=1).stdout
    assert "Nothing to be done" in again


def test_local_data_that_is_not_there_is_said_before_any_job(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "{a}/common_gen").mkdir(parents=True)
    (tmp_path / "{a}/common_gen/train.jsonl").touch()
    for config, said in (
        (
            "suite=real",
            "params/tasks/cnn_dailymail.yaml: data.source: local, so say where the rows of cnn_dailymail lie",
        ),
        (f"data_dir={tmp_path}/nowhere", f"data_dir: {tmp_path}/nowhere: no such directory"),
        (f"data_dir={{imdb: {tmp_path}}}", "no file of imdb's split train in"),
        ("data_dir={imbd: .}", "--config data_dir: ['imbd'] not in suite mini"),
        (f"data_dir={{common_gen: '{tmp_path}/{{a}}'}}", "Snakemake takes names in braces for wildcards"),
    ):
        result = checkout.grue("-n", "grue_all", "--config", config, check=False)
        assert result.returncode != 0
        assert said in result.stdout
        assert "Job stats" not in result.stdout


def test_part_of_a_suite_is_its_runs_without_tables(checkout: Checkout) -> None:
    """The base model is still trained on the text of all tasks of its family."""
    counts = Counter(job["rule"] for job in checkout.jobs(tasks=["totto"], seeds=[1]))
    n_texts = len(Params.open(ROOT / "params").base_model("t5")["tasks"])
    planned = checkout.grue("-n", "grue_all", "--config", "tasks=[totto]", "seeds=[1]").stdout
    assert planned.count("names a part of suite mini: runs and scores are made, tables are of the whole suite") == 1
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


def test_a_baseline_can_be_asked_for(checkout: Checkout) -> None:
    """It needs the warm start and no RL; the suite's tables stay as they are."""
    asked = {"baselines": ["best_of_n"], "algs": [], "tasks": ["imdb"], "seeds": [0]}
    jobs = checkout.jobs(**asked)
    (command,) = [job["command"] for job in jobs if "--method best_of_n " in job["command"]]
    assert " --run results/mini/runs/imdb/supervised/seed0 --out results/mini/scores/imdb/best_of_n/seed0" in command
    assert not {"train", "aggregate"} & {job["rule"] for job in jobs}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("suite=mimi", 'unknown suite "mimi". Did you mean "mini"?'),
        ("suit=mini", "--config sets suite, tasks, algs, baselines, seeds, data_dir, container; found suit."),
        ("baselines=[best_of]", "--config baselines: ['best_of'] not in suite mini, whose baselines are ['best_of_n']"),
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
