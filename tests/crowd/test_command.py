"""`python -m rl4lms crowd`, from predictions to results and back, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rl4lms.cli.crowd import _files
from rl4lms.cli.main import main
from rl4lms.core.io import read_jsonl
from rl4lms.crowd.study import Study

from .conftest import METHODS, Rows, predictions

Write = Callable[[dict[str, Rows]], list[str]]


def export(
    tmp_path: Path, *predictions: str, kind: str = "pairwise", task: str = "imdb", more: tuple[str, ...] = ()
) -> int:
    given = ["--kind", kind, "--task", task, "--predictions", *predictions, "--out", str(tmp_path / "study"), *more]
    return main(["crowd", "export", *given])


def answer_all(study: Study, folder: Path, *workers: str) -> None:
    """Everybody prefers ppo, and rates everything 3."""
    folder.mkdir()
    for worker in workers:
        answers = {}
        for item in study.items:
            for question, values in study.questions.items():
                first = "1" if item.methods[0] == "ppo" else "2"
                answers[f"{item.id}.{question}"] = "3" if "3" in values else first if "ppo" in item.methods else "tie"
        record = {"study": study.digest, "page": "01", "worker": worker, "answers": answers}
        (folder / f"{worker}.json").write_text(json.dumps(record))


def test_from_predictions_to_preferences(write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "rl4lms"):
        assert export(tmp_path, *write(predictions("imdb")), more=("--samples", "5", "--seed", "3")) == 0
    assert caplog.messages[0] == f"15 items about 5 samples on 2 pages: {tmp_path / 'study'}"
    answer_all(Study.read(tmp_path / "study/key.json"), tmp_path / "answers", "ann", "bob")
    given = ["--study", str(tmp_path / "study"), "--answers", str(tmp_path / "answers"), "--out", str(tmp_path / "out")]
    with caplog.at_level("INFO", "rl4lms"):
        assert main(["crowd", "import", *given]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "answers.csv", "pages.csv", "preferences.jsonl", "results.json", "results.md",
    }  # fmt: skip
    rows = read_jsonl(tmp_path / "out/preferences.jsonl")
    assert len(rows) == 10
    assert all(set(row) == {"prompt", "chosen", "rejected", "sample_id"} for row in rows)
    assert all(row["chosen"].startswith("ppo wrote") and row["sample_id"].startswith("test_") for row in rows)
    found = json.loads((tmp_path / "out/results.json").read_text())
    rates = {(r["method"], r["other"]): r["interval"]["mean"] for r in found["win_rates"]}
    assert rates == {("supervised", "ppo"): 0.0, ("supervised", "nlpo"): 0.5, ("ppo", "nlpo"): 1.0}
    assert found["krippendorff_alpha"]["preference"]["nominal"] == 1.0
    assert (tmp_path / "out/results.md").read_text() in caplog.text
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    assert main(["crowd", "import", *given, "--quiet"]) == 0
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


def test_ratings_have_no_preferences(write: Write, tmp_path: Path) -> None:
    assert export(tmp_path, *write(predictions("totto", METHODS[:1])), kind="likert", task="totto") == 0
    answer_all(Study.read(tmp_path / "study/key.json"), tmp_path / "answers", "ann")
    given = ["--study", str(tmp_path / "study/key.json"), "--answers", str(tmp_path / "answers/ann.json")]
    assert main(["crowd", "import", *given, "--out", str(tmp_path / "out")]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"answers.csv", "pages.csv", "results.json", "results.md"}
    lines = (tmp_path / "out/answers.csv").read_text().splitlines()
    assert lines[0] == "item,sample_id,methods,worker,question,answer"
    assert lines[1].startswith("i001,test_") and lines[1].endswith(",supervised,ann,coherence,3")


def test_predictions_are_found_in_either_kind_of_run(tmp_path: Path) -> None:
    rows = predictions("imdb", ("a", "b"))
    script = tmp_path / "proj/exp"
    script.mkdir(parents=True)
    (script / "config.json").write_text("{}")
    for epoch, text in ((0, rows["b"]), (9, rows["b"]), (10, rows["a"])):
        (script / f"epoch_{epoch}_test_split_predictions.json").write_text(json.dumps(text))
    run, scores = (tmp_path / "results/tiny" / kind / "imdb/ppo/seed0" for kind in ("runs", "scores"))
    for directory in (run, scores):
        directory.mkdir(parents=True)
        (directory / "manifest.json").write_text("{}")
    (scores / "test_predictions.json").write_text(json.dumps(rows["b"]))
    for path in (run, scores):
        study = tmp_path / path.parts[-4]
        assert export(study, f"one={script}", f"two={path}") == 0
        texts = Study.read(study / "study/key.json").samples["test_0"].texts
        assert texts == {"one": "a wrote 0", "two": "b wrote 0"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["ppo"], "--predictions ppo: expected METHOD=PATH, as ppo="),
        (["a={0}", "a={0}"], "--predictions: a is there twice; give each run a name of its own."),
        (["a=absent"], "absent: no such directory; expected a run's."),
        (["a={1}"], "neither config.json nor manifest.json is there; expected the directory of a finished run."),
        (["a={2}"], "row 0: expected an object with the text prompt_text."),
        (["a={3}"], "a sample_id is there twice; expected one prediction per sample."),
        (["a={4}"], "no predictions of the split test; evaluate the run, or give another --split."),
    ],
)
def test_refusals(
    given: list[str], message: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = predictions("imdb", ("a",))
    write({**rows, "twice": rows["a"] * 2, "broken": [{"sample_id": "x"}]})
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text("{}")
    paths = [tmp_path / name for name in ("a.json", "empty", "broken.json", "twice.json", "run")]
    assert export(tmp_path, *(each.format(*paths) for each in given)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "study").exists()


def test_an_installed_package_finds_its_templates_and_pays_for_no_heavy_import(write: Write, tmp_path: Path) -> None:
    heavy = ("torch", "transformers", "datasets", "nltk", "pandas")
    code = f"""
import sys
from rl4lms.cli.main import main
code = main(sys.argv[1:])
print([m for m in {heavy} if m in sys.modules])
sys.exit(code)
"""
    given = write(predictions("daily_dialog"))
    command = ["crowd", "export", "--kind", "likert", "--task", "daily_dialog", "--predictions", *given]
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "--out", "study"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert (tmp_path / "study/pages/page_01.html").is_file()


def test_a_directory_of_answers_is_read_whatever_the_case_of_its_names(tmp_path: Path) -> None:
    for name in ("a.json", "b.CSV", "c.Json", "d.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in _files([tmp_path])] == ["a.json", "b.CSV", "c.Json"]
