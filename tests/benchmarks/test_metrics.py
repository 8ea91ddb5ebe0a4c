"""The benchmark of the metrics, on a few generated rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import metrics
from benchmarks.metric_libraries import LIBRARIES
from benchmarks.metric_rows import TASKS, load_rows
from rl4lms.metrics.rouge import rouge_words
from rl4lms.metrics.words import word_tokenize
from tests.metrics.model_files import save_bert


@pytest.mark.parametrize("task", sorted(TASKS))
def test_generated_rows_are_scored_by_what_overlaps(task: str) -> None:
    rows = load_rows(task, None, 6)
    assert len(rows.texts) == len(rows.references) == len(rows.meta_infos) == 6
    assert rows.source == "generated"
    assert rows == load_rows(task, None, 6)
    words = [(set(text.split()), set(refs[0].split())) for text, refs in zip(rows.texts, rows.references, strict=True)]
    assert sum(len(a & b) for a, b in words) > 0.5 * sum(len(b) for _, b in words)
    assert rows.texts != [refs[0] for refs in rows.references]


def test_rows_of_a_folder_come_again_where_there_are_few(tmp_path: Path) -> None:
    (tmp_path / "daily_dialog").mkdir()
    turns = ["a b", "c d", "e f", "g h", "i j", "k l"]
    row = json.dumps({"dialog": turns, "act": [1] * 6, "emotion": [0] * 6}) + "\n"
    for split in ("train", "validation", "test"):
        (tmp_path / "daily_dialog" / f"{split}.jsonl").write_text(row, encoding="utf-8")
    rows = load_rows("daily_dialog", tmp_path, 5)
    assert len(rows.texts) == 5 and rows.source.startswith("daily_dialog, ")
    assert load_rows("totto", tmp_path, 2).source == "generated"


@pytest.mark.slow
def test_it_prints_and_writes_a_row_a_metric(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "metrics.md"
    page.write_text("before\n" + "\n".join([metrics.MARKS[0], "stale", metrics.MARKS[1]]) + "\nafter\n")
    options = ["--rows", "5", "--repeats", "1", "--only", "ter,diversity", "--write", str(page)]
    assert metrics.main(options) == 0
    printed, written = capsys.readouterr().out, page.read_text()
    assert written.startswith("before\n") and written.endswith("\nafter\n") and "stale" not in written
    for text in (printed, written):
        lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| `")}
        assert set(lines) == {"`ter`", "`diversity`"}
        assert "sacrebleu `TER`" in lines["`ter`"] and "none" in lines["`diversity`"]
    page.write_text("no marks")
    assert metrics.main(options) == 2
    assert "no place for the table" in capsys.readouterr().err


def test_bert_score_is_timed_with_an_encoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--rows", "4", "--repeats", "1", "--only", "bert_score"]
    assert metrics.main(options) == 0
    assert "bert_score" not in capsys.readouterr().out
    assert metrics.main([*options, "--encoder", f"{save_bert(tmp_path)}:1"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "bert_score" in line]
    assert "bert-score `BERTScorer`" in line and "-" not in {column.strip() for column in line.split("|")[2:6]}


def test_caches_are_emptied_but_what_was_loaded_stays() -> None:
    for cache in (word_tokenize, rouge_words):
        cache("some words")
        assert cache.cache_info().currsize
    metrics.clear_caches()
    assert not word_tokenize.cache_info().currsize and not rouge_words.cache_info().currsize


def test_every_metric_with_a_library_is_timed() -> None:
    assert set(LIBRARIES) <= set(metrics.METRICS)
    assert {task for _, task in metrics.METRICS.values()} == set(TASKS)


@pytest.mark.slow
def test_rewards_are_timed_serial_and_in_workers(capsys: pytest.CaptureFixture[str]) -> None:
    assert metrics.main(["--rewards", "--rows", "20", "--repeats", "1"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["meteor", "rouge"]
    assert all(float(number) >= 0 for line in lines for number in line.split()[1:7])
