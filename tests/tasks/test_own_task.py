"""A task of the user's: its module, file or attribute in params, and what the suite learns from it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rl4lms.cli.prepare import prepare
from rl4lms.cli.suite_check import check_suite
from rl4lms.config.labels import metric_label, task_label
from rl4lms.config.params import Params
from rl4lms.config.stages import stage_params
from rl4lms.core.errors import ConfigError
from rl4lms.core.tables import TASKS
from rl4lms.crowd.pages import render_pages
from rl4lms.crowd.study import make_study
from rl4lms.results.suite import SuiteSettings
from rl4lms.tasks.task import Task, all_texts, task_of

from .conftest import DATASETS

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "own_task"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A grid with the example's task in a suite of its own, as the working directory."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    shutil.copy(EXAMPLE / "sums.py", tmp_path)
    shutil.copy(EXAMPLE / "sums.yaml", tmp_path / "params" / "tasks")
    suite = tmp_path / "params" / "suites" / "first"
    suite.mkdir()
    for name in ("grue.yaml", "base_models.yaml"):
        shutil.copy(EXAMPLE / name, suite)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(TASKS, "_entries", dict(TASKS._entries))
    monkeypatch.setattr(TASKS, "_shipped", set(TASKS._shipped))
    yield tmp_path
    sys.modules.pop("sums", None)


def test_a_suite_learns_everything_from_the_module(own: Path) -> None:
    params = Params.open("params", "first")
    check_suite(params)
    settings = SuiteSettings.from_params(params)
    assert settings.main_metrics == {"sums": "sums/accuracy"}
    assert settings.scales["sums/accuracy"].higher_is_better
    assert (task_label("sums"), metric_label("sums/accuracy")) == ("Sums", "Right answers")
    for stage in ("prepare", "supervised", "evaluate"):
        assert stage_params(params, stage, task="sums", method="ppo")["tasks/sums.yaml"]["module"] == "sums"
    assert "module" not in stage_params(Params.open("params", "mini"), "prepare", task="imdb")["tasks/imdb.yaml"]


def test_its_rows_are_prepared_and_its_pages_written(own: Path, tmp_path: Path) -> None:
    data = Params.open("params", "first").task("sums")["data"] | {"n_train": 20, "n_val": 5, "n_test": 5}
    summary = prepare("sums", data, tmp_path / "rows")
    assert [summary["splits"][split]["rows"] for split in ("train", "val", "test")] == [20, 5, 5]
    row = {"split_name": "test", "sample_id": "test_0", "prompt_text": "1 + 1 =", "generated_text": " 2"}
    study = make_study("likert", "sums", {"ppo": [row]}, n_samples=None, per_page=1, seed=0)
    (page,) = render_pages(study).values()
    assert "1 + 1 =" in page and "Is it a good answer" in page


def test_a_module_may_be_a_file_of_params_or_name_its_task(own: Path) -> None:
    (own / "sums.py").rename(own / "params" / "sums.py")
    file = own / "params" / "tasks" / "sums.yaml"
    file.write_text(file.read_text().replace("module: sums ", "module: params/sums.py:TASK "))
    Params.open("params", "first").task("sums")
    assert task_of("sums").label == "Sums"


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("no_such_module", "no module no_such_module"),
        ("nowhere.py", "nowhere.py: no such file"),
        ("sums:Sums", "expected a Task"),
    ],
)
def test_a_wrong_module_is_one_line(own: Path, module: str, said: str) -> None:
    file = own / "params" / "tasks" / "sums.yaml"
    file.write_text(file.read_text().replace("module: sums ", f"module: {module} "))
    with pytest.raises(ConfigError, match=said) as raised:
        check_suite(Params.open("params", "first"))
    assert "\n" not in str(raised.value)


def test_a_family_that_does_not_read_the_task_is_named(own: Path) -> None:
    (own / "params" / "suites" / "first" / "base_models.yaml").unlink()
    with pytest.raises(ConfigError, match=r"gpt2\.tasks: lacks sums, whose model.family is gpt2; add it there"):
        check_suite(Params.open("params", "first"))


def test_a_task_of_rows_only_needs_no_more_than_columns_and_a_label() -> None:
    task = Task(DATASETS["cnn_dailymail"], "News")
    assert task.documents({"article": "a", "highlights": "b"}) == ["a", "b"]
    assert all_texts({"dialog": ["a", "b"], "act": [1, 2]}) == ["a", "b"]
    with pytest.raises(ConfigError, match=r"has no generator; say in params where its rows lie: data\.data_dir"):
        task.generate("train", 1, 0)


def test_the_three_tasks_of_reasoning_gym_score_their_own_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("reasoning_gym")
    monkeypatch.syspath_prepend(ROOT / "params" / "tasks")
    import reasoning  # type: ignore[import-not-found]

    for task in (reasoning.CHAIN_SUM, reasoning.LETTER_COUNTING, reasoning.GCD):
        rows = task.generate("train", 5, 0)
        assert rows == task.generate("train", 8, 0)[:5]
        entries = [json.loads(row["entry"]) for row in rows]
        assert reasoning.score([f" {row['answer']}" for row in rows], entries) == [1.0] * 5
        assert max(reasoning.score(["no"] * 5, entries)) < 1
