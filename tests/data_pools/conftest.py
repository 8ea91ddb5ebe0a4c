"""Rows of every task in published columns, written by hand, and where the real ones lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rl4lms.data_pools.dataset import PUBLISHED_SPLITS

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

Write = Callable[..., Path]


@pytest.fixture
def shared_data() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"no real rows: {SHARED} is absent")
    return SHARED


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write(train=[rows], val=[rows], ...) -> the folder with those splits as jsonl."""

    def write_splits(folder: str = "data", **splits: Sequence[Any]) -> Path:
        directory = tmp_path / folder
        directory.mkdir(exist_ok=True)
        for split, rows in splits.items():
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (directory / f"{PUBLISHED_SPLITS[split]}.jsonl").write_text(text, encoding="utf-8")
        return directory

    return write_splits


def cell(value: str, is_header: bool = False, column_span: int = 1) -> dict[str, Any]:
    return {"value": value, "is_header": is_header, "column_span": column_span, "row_span": 1}


def annotation(sentence: str) -> dict[str, str]:
    names = ("original_sentence", "sentence_after_deletion", "sentence_after_ambiguity", "final_sentence")
    return {name: f"{sentence} ({name})" for name in names[:3]} | {"final_sentence": sentence}


def imdb_row(text: str, label: int = 1) -> dict[str, Any]:
    return {"text": text, "label": label}


def pair(english: str, german: str = "ja") -> dict[str, Any]:
    return {"translation": {"en": english, "de": german}}


def totto_row(page: str = "Ada", **changes: Any) -> dict[str, Any]:
    """Two header rows, the first with a cell over two columns, and a row header in the data row."""
    row: dict[str, Any] = {
        "table": [
            [cell("Name", True), cell("Work", True, column_span=2)],
            [cell("First", True), cell("Title", True), cell("Year", True)],
            [cell("Ada", True), cell("Notes"), cell("1843")],
        ],
        "table_page_title": page,
        "table_section_title": "Works",
        "highlighted_cells": [[2, 1], [2, 2]],
        "example_id": 7,
        "overlap_subset": True,
        "sentence_annotations": [annotation("Ada wrote Notes in 1843."), annotation("Notes is by Ada.")],
    }
    return row | changes


def story(question: str, summary: str, *answers: str) -> dict[str, Any]:
    return {
        "document": {"id": "d", "summary": {"text": summary}},
        "question": {"text": question},
        "answers": [{"text": answer} for answer in answers],
    }


def dialog(*turns: str, act: Sequence[int] | None = None) -> dict[str, Any]:
    return {"dialog": list(turns), "act": list(act or [1] * len(turns)), "emotion": [0] * len(turns)}


ROWS: dict[str, Callable[[int], dict[str, Any]]] = {
    "imdb": lambda i: imdb_row(f"review {i} is good enough", i % 2),
    "common_gen": lambda i: {
        "gem_id": f"g{i}",
        "concept_set_id": i,
        "concepts": ["dog", f"ball{i // 2}"],
        "target": f"A dog {i}.",
        "references": [],
    },
    "cnn_dailymail": lambda i: {"article": f"Article {i}.", "highlights": f"News {i}.", "id": str(i)},
    "totto": lambda i: totto_row(f"Page {i}"),
    "iwslt2017": lambda i: pair(f"Sentence {i}.", f"Satz {i}."),
    "narrative_qa": lambda i: story(f"Who {i}?", f"Story {i // 2}.", "A man", "He"),
    "daily_dialog": lambda i: dialog(*(f"{i} says {k} ." for k in range(7))),
}
"""task -> a function that makes the i-th of endlessly many rows."""
