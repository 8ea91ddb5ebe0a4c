import copy
import json
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import DataError
from rl4lms.metrics.parent import parent
from rl4lms.metrics.table import NULL, ParentToTTo, detokenized, is_overlap, mteval_words, read_example

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "totto" / "validation.jsonl"
F = "table_to_text/parent_overall_f_score"


def cell(value: str, is_header: bool = False) -> dict[str, Any]:
    return {"value": value, "is_header": is_header, "column_span": 1, "row_span": 1}


def row(**changes: Any) -> dict[str, Any]:
    return {
        "example_id": 7,
        "table_page_title": "Ada Lovelace",
        "table_section_title": "Life",
        "table_section_text": "",
        "table": [[cell("Born", True), cell("Died", True)], [cell("1815"), cell("1852|London")]],
        "highlighted_cells": [[1, 0]],
        "sentence_annotations": [{"final_sentence": "Ada Lovelace was born in 1815."}],
        "overlap_subset": True,
        **changes,
    }


def compute(texts: list[str], rows: list[dict[str, Any]]) -> Any:
    return ParentToTTo().compute(None, texts, None, [{"raw_table": r} for r in rows])


def test_preparation() -> None:
    example = read_example(row())
    assert example.entries == [("1815",), ("ada", "lovelace"), ("life",)]
    assert example.table_words == {"born", "died", "1815", "1852", "-", "london", "ada", "lovelace", "life"}
    assert example.references == [
        mteval_words("ada lovelace was born in 1815 ."),
        mteval_words(NULL),
        mteval_words(NULL),
    ]
    assert is_overlap(row())
    assert not is_overlap(row(overlap_subset="False"))


def test_the_hubs_columns_read_alike() -> None:
    hub = row(sentence_annotations={"final_sentence": ["Ada Lovelace was born in 1815."]}, overlap_subset="True")
    assert read_example(hub) == read_example(row())
    assert is_overlap(hub)


def test_scores_and_keys() -> None:
    rows = [row(), row(overlap_subset=False), row()]
    texts = ["Ada Lovelace was born in 1815.", "Ada Lovelace died.", ""]
    result = compute(texts, rows)
    scores, value = result[F]
    assert scores[0] > scores[1] > scores[2] == pytest.approx(0.0, abs=1e-3)
    assert value == pytest.approx(sum(scores) / 3)
    assert result["table_to_text/parent_overlap_f_score"] == (None, pytest.approx((scores[0] + scores[2]) / 2))
    assert result["table_to_text/parent_non_overlap_f_score"] == (None, pytest.approx(scores[1]))
    assert set(result) == {
        f"table_to_text/parent_{subset}{part}"
        for subset in ("overall", "overlap", "non_overlap")
        for part in ("/precision", "/recall", "_f_score")
    }
    example = read_example(row())
    assert (
        scores[0]
        == parent(mteval_words(detokenized(texts[0])), example.references, example.table_words, example.entries).f_score
    )


def test_a_subset_without_rows_has_no_keys() -> None:
    assert not [key for key in compute(["x"], [row()]) if "non_overlap" in key]


def test_order_does_not_matter_and_rows_are_left_alone() -> None:
    rows = [row(), row(overlap_subset=False), row(highlighted_cells=[[1, 1]])]
    before, texts = copy.deepcopy(rows), ["born in 1815", "Life of Ada", "died 1852"]
    forward, backward = compute(texts, rows), compute(texts[::-1], rows[::-1])
    assert {k: v for k, (_, v) in forward.items()} == {k: v for k, (_, v) in backward.items()}
    assert rows == before


def test_degenerate_rows_are_finite() -> None:
    empty = row(table=[[cell("")]], highlighted_cells=[], table_page_title="", table_section_title="")
    no_reference = row(sentence_annotations=[{"final_sentence": ""}])
    scores, _ = compute(["some text", "Ada Lovelace 1815 Life"], [empty, no_reference])[F]
    assert 0.0 <= scores[0] < 0.1
    assert 0.5 < scores[1] <= 1.0


def test_bad_rows() -> None:
    with pytest.raises(DataError, match=r"ToTTo row 7: no field 'table'"):
        compute(["x"], [{k: v for k, v in row().items() if k != "table"}])
    with pytest.raises(DataError, match="outside the table"):
        compute(["x"], [row(highlighted_cells=[[5, 0]])])
    for info, found in (({"intent": [1]}, "intent"), ({"raw_table": None}, "raw_table"), (None, "nothing")):
        with pytest.raises(DataError, match=f'no table "raw_table"; found {found}'):
            ParentToTTo().compute(None, ["x"], None, [info])


@pytest.mark.skipif(not SHARED.exists(), reason="the shared ToTTo rows are not on this machine")
def test_real_rows() -> None:
    rows = [json.loads(line) for line in SHARED.read_text(encoding="utf-8").splitlines()]
    references = [r["sentence_annotations"][0]["final_sentence"] for r in rows]
    scores, value = compute(references, rows)[F]
    wrong, _ = compute(references[1:] + references[:1], rows)[F]
    assert value > 0.8
    assert all(s > w for s, w in zip(scores, wrong, strict=True))
