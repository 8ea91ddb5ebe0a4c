"""ToTTo: describe the highlighted cells of a Wikipedia table in one sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rl4lms.core.io import canonical_json
from rl4lms.data_pools.dataset import DataSet, Hub, Partial, Row
from rl4lms.tasks.task import Task
from rl4lms.tasks.wording import Criterion, Wording, coherence

ANNOTATION_FIELDS = ("original_sentence", "sentence_after_deletion", "sentence_after_ambiguity", "final_sentence")
_ZIP = "https://storage.googleapis.com/totto-public/totto_data.zip"
_TITLED = re.compile(
    r"(?:<page_title>\s*(?P<page>.*?)\s*</page_title>\s*)?"
    r"(?:<section_title>\s*(?P<section>.*?)\s*</section_title>\s*)?<table>(?P<table>.*?)</table>",
    re.DOTALL,
)
_CELL = re.compile(r"<(?P<tag>cell|highlighted_cell)>\s*(?P<body>.*?)\s*</(?P=tag)>", re.DOTALL)
_HEADER = re.compile(r"<(col|row)_header>\s*(.*?)\s*</\1_header>", re.DOTALL)


def _check(row: Row) -> str | None:
    if row.get("overlap_subset") not in (None, True, False, "True", "False"):
        return f"column overlap_subset: expected true or false, found {row['overlap_subset']!r}"
    annotations = row.get("sentence_annotations")
    if isinstance(annotations, dict) and len({len(annotations[f]) for f in ANNOTATION_FIELDS if f in annotations}) > 1:
        return "column sentence_annotations: expected equally long lists"
    table = row["table"]
    for cell in row["highlighted_cells"]:
        if len(cell) != 2 or not 0 <= cell[0] < len(table) or not 0 <= cell[1] < len(table[cell[0]]):
            return f"column highlighted_cells: {cell} is not a [row, column] of the table"
    return None


def _key(row: Row) -> str:
    names = ("table_page_title", "table_section_title", "table", "highlighted_cells")
    return canonical_json([row[name] for name in names])


def _documents(row: Row) -> list[str]:
    annotations = row["sentence_annotations"]
    finals = "final_sentence"
    sentences = annotations[finals] if isinstance(annotations, dict) else [a[finals] for a in annotations]
    cells = [str(row["table"][line][column]["value"]) for line, column in row["highlighted_cells"]]
    return [" ".join([row["table_page_title"], row["table_section_title"], *cells]), *sentences]


def _table(prompt: str) -> dict[str, Any]:
    """The prompt has the table twice, without and with titles: the last one is shown."""
    tables = list(_TITLED.finditer(prompt))
    if not tables:
        return {}
    last = tables[-1]
    cells = [_cell(match) for match in _CELL.finditer(last["table"])]
    if any(cell["highlighted"] for cell in cells):
        cells = [cell for cell in cells if cell["highlighted"]]
    return {"page": last["page"], "section": last["section"], "cells": cells}


def _cell(match: re.Match[str]) -> dict[str, Any]:
    value, *_ = re.split(r"<(?:col|row)_header>", match["body"], maxsplit=1)
    headers = [header for _, header in _HEADER.findall(match["body"])]
    return {"value": value.strip(), "headers": headers, "highlighted": match["tag"] == "highlighted_cell"}


TASK = Task(
    label="ToTTo",
    data=DataSet(
        name="totto",
        folders=("totto",),
        shape={
            "table": [[{"value": str, "is_header": bool, "column_span": int}]],
            "table_webpage_url": str,
            "table_page_title": str,
            "table_section_title": str,
            "table_section_text": str,
            "highlighted_cells": [[int]],
            "example_id": (int, float, str),  # a number in the authors' files, a string in the hub's copy
            "overlap_subset": (bool, int, str),  # a boolean in the authors' files, "True" or "False" on the hub
            # a list of objects in the authors' files, an object of lists in the hub's copy
            "sentence_annotations": (
                [Partial.fromkeys(ANNOTATION_FIELDS, str)],
                Partial.fromkeys(ANNOTATION_FIELDS, [str]),
            ),
        },
        optional=frozenset(
            {"table_webpage_url", "table_section_text", "example_id", "overlap_subset", "sentence_annotations"}
        ),
        key=_key,
        # the files that the hub's script downloaded; it cannot run any more
        hub=Hub(
            "json",
            files={
                "train": (f"zip://totto_data/totto_train_data.jsonl::{_ZIP}",),
                "validation": (f"zip://totto_data/totto_dev_data.jsonl::{_ZIP}",),
                "test": (f"zip://totto_data/unlabeled_totto_test_data.jsonl::{_ZIP}",),
            },
        ),
        check=_check,
    ),
    rows=f"{__name__}.generator:rows",
    documents=_documents,
    markup="<page_title> </page_title> <section_title> </section_title> <table> <cell> <col_header> </col_header> "
    "<row_header> </row_header> </cell> </table>",
    wording=Wording(
        intro="You see cells of a table, with the headings that belong to them, and a sentence that a computer wrote "
        "about these cells.",
        source="Table",
        output="sentence",
        criteria=(
            coherence("Is it a fluent, grammatical sentence?"),
            Criterion(
                "correctness",
                "Does it say what the cells say, and nothing else?",
                "Contradicts or misses the cells",
                "Says exactly what they say",
            ),
        ),
        compare="Which sentence says more exactly what the cells say? Small slips of grammar matter less.",
    ),
    view=_table,
    template=Path(__file__).with_name("view.html.j2"),
)
