"""Suites that extend suites, files of a suite's own, and searches whose points are methods."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from rl4lms.config.compose import compose_rl, methods
from rl4lms.config.params import Params
from rl4lms.config.search import point, radical_inverse
from rl4lms.core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2] / "params"
PLACES = {"data_dir": "D", "model_dir": "M", "reward_model_dir": "R"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT, tmp_path / "params"))


def suite(directory: Path, name: str, files: Mapping[str, str]) -> None:
    for file, text in files.items():
        path = directory / "suites" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_digits_are_mirrored() -> None:
    assert [radical_inverse(i, 2) for i in range(1, 6)] == [0.5, 0.25, 0.75, 0.125, 0.625]
    assert [round(radical_inverse(i, 3) * 9) for i in range(1, 9)] == [3, 6, 1, 4, 7, 2, 5, 8]


def test_points_lie_between_the_ends_and_are_the_same_for_every_algorithm() -> None:
    rate = {"low": 1e-4, "high": 1e-2, "log": True}
    whole = {"low": 2, "high": 16, "log": True, "whole": True}
    points = [point({"args.learning_rate": rate, "args.completions_per_prompt": whole}, k) for k in range(8)]
    assert points[0]["args.learning_rate"] == 1e-3  # half of the way, by logarithm
    assert [p["args.completions_per_prompt"] for p in points] == [4, 8, 3, 5, 10, 3, 6, 13]
    assert all(isinstance(p["args.completions_per_prompt"], int) for p in points)
    others = [point({"args.learning_rate": rate, "kl_div.coeff": {"low": 0.0 + 1, "high": 2}}, k) for k in range(8)]
    assert [p["args.learning_rate"] for p in others] == [p["args.learning_rate"] for p in points]


def test_points_are_methods_and_the_chosen_one_is_the_algorithms_own(directory: Path) -> None:
    search = "search:\n  n_points: 2\n  values:\n    args.learning_rate: {low: 0.001, high: 0.1, log: true}\n"
    suite(directory, "own", {"grue.yaml": "algs: [ppo.0, ppo.1]\n", "algs/ppo.yaml": search})
    params = Params.open(directory, "own")
    assert {"ppo", "ppo.0", "ppo.1"} <= set(params.algs())
    rates = {}
    for method in ("ppo", "supervised_ppo.0", "ppo.1"):
        composed = compose_rl(params, "daily_dialog", method, 0, **PLACES)
        rates[method] = composed["alg"]["args"]["learning_rate"]
        assert composed["alg"]["id"] == "ppo"
    # daily_dialog has a learning rate of its own for a warm start, over which the point goes.
    assert rates == {"ppo": 5e-4, "supervised_ppo.0": 0.01, "ppo.1": 0.00316}
    (directory / "suites/own/algs/ppo.yaml").write_text(search.replace("values", "chosen: 1\n  values"))
    params = Params.open(directory, "own")
    assert compose_rl(params, "daily_dialog", "ppo", 0, **PLACES)["alg"]["args"]["learning_rate"] == 0.00316
    assert compose_rl(params, "daily_dialog", "ppo.0", 0, **PLACES)["alg"]["args"]["learning_rate"] == 0.01


@pytest.mark.parametrize("name", ["ppo.2", "ppo.x", "ppo.", "nlpo.0"])
def test_a_point_that_is_not_there_is_refused(directory: Path, name: str) -> None:
    search = "search: {n_points: 2, values: {args.learning_rate: {low: 0.001, high: 0.1}}}\n"
    suite(directory, "own", {"grue.yaml": "algs: [ppo.0]\n", "algs/ppo.yaml": search})
    with pytest.raises(ConfigError, match="algorithm") as error:
        Params.open(directory, "own").alg(name)
    assert "\n" not in str(error.value)


def test_a_chosen_point_that_is_not_there_is_refused(directory: Path) -> None:
    search = "search: {n_points: 2, chosen: 2, values: {args.learning_rate: {low: 0.001, high: 0.1}}}\n"
    suite(directory, "own", {"grue.yaml": "algs: [ppo]\n", "algs/ppo.yaml": search})
    with pytest.raises(ConfigError, match="ppo.2"):
        Params.open(directory, "own").alg("ppo")


def test_a_suite_extends_another_and_that_one_another(directory: Path) -> None:
    suite(directory, "a", {"grue.yaml": "seeds: [7]\nn_threads: 2\n", "tasks/imdb.yaml": "rl: {n_iters: 3}\n"})
    suite(directory, "b", {"grue.yaml": "extends: a\nn_threads: 1\n", "tasks/imdb.yaml": "data: {n_val: 9}\n"})
    suite(directory, "c", {"grue.yaml": "extends: b\n"})
    params = Params.open(directory, "c")
    grue, task = params.grue(), params.task("imdb")
    assert (grue["suite"], grue["seeds"], grue["n_threads"]) == ("c", [7], 1)
    assert (task["rl"]["n_iters"], task["data"]["n_val"], task["data"]["n_train"]) == (3, 9, 2000)


@pytest.mark.parametrize(
    ("text", "message"), [("extends: b\n", "circle"), ("extends: nowhere\n", "nowhere"), ("extends: a\n", "circle")]
)
def test_a_circle_and_an_unknown_suite_are_refused(directory: Path, text: str, message: str) -> None:
    suite(directory, "a", {"grue.yaml": text})
    suite(directory, "b", {"grue.yaml": "extends: a\n"})
    with pytest.raises(ConfigError, match=message) as error:
        Params.open(directory, "a")
    assert "\n" not in str(error.value)


def test_a_suite_has_tasks_and_algorithms_of_its_own(directory: Path) -> None:
    own = (directory / "tasks" / "imdb.yaml").read_text()
    suite(directory, "own", {"grue.yaml": "tasks: [films]\nalgs: [quick]\n", "tasks/films.yaml": own})
    suite(directory, "own", {"algs/quick.yaml": (directory / "algs" / "ppo.yaml").read_text()})
    params = Params.open(directory, "own")
    assert "quick" in params.algs() and "films" in params.tasks()
    assert compose_rl(params, "films", "quick", 0, **PLACES)["alg"]["id"] == "ppo"
    assert "quick" not in Params.open(directory, "mini").algs()


def test_a_suite_may_start_from_the_warm_start_only() -> None:
    assert methods(["ppo"], ["best_of_n"], ["supervised"]) == ["zero_shot", "supervised", "best_of_n", "supervised_ppo"]
    assert methods(["ppo"], starts=["zero_shot"]) == ["zero_shot", "supervised", "ppo"]


def test_the_study_says_of_its_algorithms_one_setting_for_all_tasks() -> None:
    params = Params.open(ROOT, "study")
    tasks = sorted(path.stem for path in (ROOT / "suites/study/tasks").glob("*.yaml"))
    assert len(tasks) == 9
    for algorithm in [path.stem for path in (ROOT / "suites/study/algs").glob("*.yaml")]:
        said = []
        for task in tasks:
            part = compose_rl(_whole(params, tasks), task, f"supervised_{algorithm}", 1, **PLACES)
            arguments = dict(part["alg"]["args"])
            arguments.pop("n_prompts", None)  # as many as fill the tokens of an iteration, by the task's length
            said.append((arguments, part["alg"]["kl_div"]))
        assert all(each == said[0] for each in said), algorithm


def _whole(params: Params, tasks: list[str]) -> Params:
    return params.changed("grue.yaml", {"tasks": tasks})
