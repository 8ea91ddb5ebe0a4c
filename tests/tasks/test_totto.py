from __future__ import annotations

from pathlib import Path

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.tasks.totto.pool import ToTTo
from rl4lms.tasks.totto.table_text import full_table_text, subtable_text

from .conftest import Write, annotation, cell, totto_row

CELLS = (
    "<cell> Notes <col_header> Work </col_header> <col_header> Title </col_header> <row_header> Ada </row_header> "
    "</cell> <cell> 1843 <col_header> Work </col_header> <col_header> Year </col_header> "
    "<row_header> Ada </row_header> </cell> "
)


def test_subtable_without_and_then_with_titles(write: Write) -> None:
    data_dir = str(write(train=[totto_row()], val=[totto_row()], test=[totto_row()]))
    sample = ToTTo.prepare("val", data_dir=data_dir)[0][0]
    assert sample.prompt_or_input_text == (
        f"<table> {CELLS}</table>"
        f"<page_title> Ada </page_title> <section_title> Works </section_title> <table> {CELLS}</table>"
    )
    assert (sample.id, sample.references) == ("val_0", ["Ada wrote Notes in 1843.", "Notes is by Ada."])
    assert ToTTo.prepare("test", data_dir=data_dir)[0][0].references == sample.references


def test_full_table_marks_highlighted_cells() -> None:
    table = [[cell("A", True), cell("B", True)], [cell("x"), cell("y")]]
    assert full_table_text(table, [[1, 1]], "P", None) == (
        "<page_title> P </page_title> <table> "
        "<row> <cell> A </cell> <cell> B <row_header> A </row_header> </cell> </row> "
        "<row> <cell> x <col_header> A </col_header> </cell> "
        "<highlighted_cell> y <col_header> B </col_header> </highlighted_cell> </row> </table>"
    )


def test_empty_titles_have_no_tags_and_no_cells_are_fine() -> None:
    assert subtable_text([[cell("x")]], [], "", "") == "<table> </table>"


def test_both_forms_of_annotations_give_the_same_sample(write: Write) -> None:
    listed = totto_row()
    columns = {name: [a[name] for a in listed["sentence_annotations"]] for name in annotation("")}
    hub = totto_row(sentence_annotations=columns, overlap_subset="True")
    pool = ToTTo.prepare("val", data_dir=str(write(train=[listed], val=[listed, hub], test=[listed])))
    assert pool[0][0].meta_data == pool[1][0].meta_data == {"raw_table": listed}
    assert pool[0][0].references == pool[1][0].references


def test_hidden_sentences_are_for_test_alone(write: Write) -> None:
    hidden = [annotation("none")]
    rows = [totto_row(sentence_annotations=hidden), totto_row(sentence_annotations=None, overlap_subset="False")]
    data_dir = str(write(train=rows, val=rows, test=rows))
    pool = ToTTo.prepare("test", data_dir=data_dir)
    assert [pool[i][0].references for i in range(2)] == [[""], [""]]
    assert (pool[1][0].meta_data or {})["raw_table"]["overlap_subset"] is False
    with pytest.raises(DataError, match="page Ada: sentence_annotations holds no final_sentence"):
        ToTTo.prepare("val", data_dir=data_dir)


def test_bad_representation_and_cells(write: Write) -> None:
    with pytest.raises(ConfigError, match=r'unknown representation "subtables".*Did you mean "subtable"'):
        ToTTo.prepare("val", representation="subtables", data_dir=".")
    rows = [totto_row(), totto_row(highlighted_cells=[[2, 3]])]
    with pytest.raises(DataError, match=r"line 2: column highlighted_cells: \[2, 3\] is not a \[row, column\]"):
        ToTTo.prepare("train", data_dir=str(write(train=rows, val=rows, test=rows)))


def test_real_table(shared_data: Path) -> None:
    sample = ToTTo.prepare("val", data_dir=str(shared_data))[0][0]
    text = sample.prompt_or_input_text
    assert text.count("<table> <cell> 2015 <col_header> Year </col_header> </cell> ") == 2
    assert text.count("<page_title> Colin Hanlon </page_title> <section_title> Theatre credits </section_title>") == 1
    assert len(sample.references) == 3
    full = ToTTo.prepare("val", representation="fulltable", data_dir=str(shared_data))[0][0].prompt_or_input_text
    assert full.count("<highlighted_cell> ") == 2 * 4
