from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from rl4lms.cli import prepare as stage
from rl4lms.config.params import Params
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import read_jsonl, sha256_file
from rl4lms.core.seals import SEAL
from rl4lms.tasks.task import Task

from .conftest import DATASETS, ROWS, Write, dialog, pair

POOLS = {task: Params.open("params").task(task)["data"]["pool"] for task in DATASETS}

FILES = ("train.jsonl", "validation.jsonl", "test.jsonl")


def data(pool: str = "iwslt2017en_de", source: str = "local", n: int | None = 10, **changes: Any) -> dict[str, Any]:
    return {"pool": pool, "source": source, "n_train": n, "n_val": n, "n_test": n, "seed": 0, "args": {}} | changes


def bytes_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.name != SEAL}


def test_local_rows_are_cut_to_size_disjoint_and_summed_up(write: Write, tmp_path: Path) -> None:
    rows = [pair(f"Sentence number {i}.", "Ja.") | {"extra": 1} for i in range(60)]
    local = write(train=rows, val=[pair("Sentence number 0."), pair("Only val.")], test=[pair("Only test.")])
    out = tmp_path / "out"
    arguments = {"prompt_prefix": "translate English to German: "}
    summary = stage.prepare("iwslt2017", data(args=arguments), out, local)
    assert sorted(path.name for path in out.iterdir()) == sorted([*FILES, "summary.json", SEAL])
    splits = {name: read_jsonl(out / name) for name in FILES}
    assert [len(splits[name]) for name in FILES] == [10, 2, 1]
    assert pair("Sentence number 0.") not in splits["train.jsonl"]
    assert all(list(row) == ["translation"] for row in splits["train.jsonl"])
    assert summary == json.loads((out / "summary.json").read_text(encoding="utf-8"))
    facts = summary["splits"]["train"]
    assert facts["sha256"] == sha256_file(out / "train.jsonl")
    assert facts == facts | {"rows": 10, "samples": 10, "references_per_sample": 1.0, "rows_dropped_as_overlap": 1}
    assert facts["prompt_words"] == {"mean": 7.0, "p95": 7, "max": 7}
    assert (summary["task"], summary["source"]) == ("iwslt2017", "local")


def test_same_input_same_bytes_and_the_seed_chooses(write: Write, tmp_path: Path) -> None:
    local = write(train=[pair(f"Sentence {i}.") for i in range(60)])
    outs = [tmp_path / name for name in "abc"]
    for out, seed in zip(outs, (0, 0, 1), strict=True):
        stage.prepare("iwslt2017", data(n=4, seed=seed), out, local)
    a, b, c = map(bytes_of, outs)
    assert a == b and a["train.jsonl"] != c["train.jsonl"]


@pytest.mark.parametrize("task", DATASETS)
def test_every_task_reads_back_what_it_wrote(task: str, write: Write, tmp_path: Path) -> None:
    local = write(train=[ROWS[task](i) for i in range(60)])
    summary = stage.prepare(task, data(POOLS[task], n=None), tmp_path / "out", local)
    n_keys = len({DATASETS[task].key(ROWS[task](i)) for i in range(60)})
    assert summary["splits"]["test"]["rows"] >= round(n_keys * DATASETS[task].test_fraction)
    again = stage.prepare(task, data(POOLS[task], n=None), tmp_path / "again", tmp_path / "out")
    assert again["splits"] == summary["splits"]


def test_generator_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def generate(task: Task, split: str, n: int, seed: int) -> list[dict[str, Any]]:
        return [pair(f"{task.name} {split} {seed} {i}") for i in range(n)]

    monkeypatch.setattr(Task, "generate", generate)
    stage.prepare("iwslt2017", data(source="generator", n=3, seed=7), tmp_path)
    assert [r["translation"]["en"] for r in read_jsonl(tmp_path / "validation.jsonl")] == [
        f"iwslt2017 val 7 {i}" for i in range(3)
    ]
    with pytest.raises(ConfigError, match=r"data.n_val: the generator needs a number"):
        stage.prepare("iwslt2017", data(source="generator", n_val=None), tmp_path)
    monkeypatch.setattr(Task, "generate", lambda *_: [{"translation": {"en": "x"}}])
    with pytest.raises(DataError, match="generator of iwslt2017, split train, row 1: column translation: missing key"):
        stage.prepare("iwslt2017", data(source="generator"), tmp_path)


def test_faults_leave_nothing_behind(write: Write, tmp_path: Path) -> None:
    out = tmp_path / "out"
    short = write("short", train=[dialog("a", "b")], val=[dialog("c", "d")], test=[dialog("e", "f")])
    same = write("same", train=[pair("a")], val=[pair("a")], test=[pair("b")])
    for task, params, local, complaint in (
        ("iwslt", data(), None, 'unknown task "iwslt"'),
        ("iwslt2017", data(), None, "data.source is local: say where with --data-dir"),
        ("iwslt2017", data("iwslt"), same, 'unknown data pool "iwslt"'),
        ("iwslt2017", data(args={"prefix": "x"}), write("ok", train=[pair(str(i)) for i in range(9)]), "'prefix'"),
        ("iwslt2017", data(), same, "every row of the local split train is in a later split"),
        ("daily_dialog", data("daily_dialog"), short, "no dialogue has more than context_size 5"),
    ):
        with pytest.raises((ConfigError, DataError), match=complaint):
            stage.prepare(task, params, out, local)
        assert not out.exists()
        assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_command_line(write: Write, tmp_path: Path) -> None:
    class FakeParams:
        suite = "tiny"

        def grue(self) -> dict[str, Any]:
            return {"tasks": ["iwslt2017"]}

        def task(self, name: str) -> dict[str, Any]:
            return {"version": 3, "data": data(source="hub", folder="mine")}

    local = write("mine", train=[pair(f"S {i}.") for i in range(20)]).parent
    parser = argparse.ArgumentParser()
    stage.add_arguments(parser)
    args = parser.parse_args(["--task", "iwslt2017", "--out", str(tmp_path / "out"), "--data-dir", str(local)])
    args.params = FakeParams()
    stage.run(args)
    assert json.loads((tmp_path / "out/summary.json").read_text(encoding="utf-8"))["source"] == "local"
    manifest = json.loads((tmp_path / "out/manifest.json").read_text(encoding="utf-8"))
    assert (manifest["stage"], manifest["task"], manifest["task_version"], manifest["seed"]) == (
        "prepare",
        "iwslt2017",
        3,
        0,
    )
    assert manifest["inputs"] == {str(p): sha256_file(p) for p in (local / "mine").iterdir()}
    assert manifest["params"]["tasks/iwslt2017.yaml"]["data"]["folder"] == "mine"


@pytest.mark.slow
def test_real_text(shared_data: Path, tmp_path: Path) -> None:
    for task in ("imdb", "common_gen", "cnn_dailymail", "iwslt2017", "daily_dialog"):
        summary = stage.prepare(task, data(POOLS[task], n=200), tmp_path / task, shared_data)
        dataset = DATASETS[task]
        keys = [{dataset.key(row) for row in read_jsonl(tmp_path / task / name)} for name in FILES]
        assert sum(map(len, keys)) == len(set.union(*keys)), task
        assert summary["splits"]["train"]["rows"] == (80 if task == "cnn_dailymail" else 200)
