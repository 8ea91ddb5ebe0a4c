"""Rows of a Python program as data pools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rl4lms.api.configuration import data_section
from rl4lms.api.rows import pool_of
from rl4lms.core.errors import DataError
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool

ROWS = [{"prompt": f"p{i}", "target": f"t{i}", "level": i} for i in range(20)]


def samples(data: Any, split: str = "train", seed: int = 0) -> list[Sample]:
    return [sample for sample, _ in pool_of(data, seed).prepare(split)]


def test_a_row_becomes_a_sample() -> None:
    rows = [
        "alone",
        {"prompt": "p", "references": ["a", "b"], "id": 7, "level": 2},
        {"prompt": "q", "completion": "c"},
        {"prompt": "q", "references": np.array(["e", "f"])},
        {"prompt": "q", "reference": None},
        {"prompt": "q", "target": [5, 0.5]},
        Sample("own", "r", ["d"], {"x": 1}),
    ]
    assert samples(rows) == [
        Sample("train_0", "alone", []),
        Sample("7", "p", ["a", "b"], {"level": 2}),
        Sample("train_2", "q", ["c"]),
        Sample("train_3", "q", ["e", "f"]),
        Sample("train_4", "q", []),
        Sample("train_5", "q", ["5", "0.5"]),
        Sample("own", "r", ["d"], {"x": 1}),
    ]


def test_every_kind_of_rows_gives_the_same_samples() -> None:
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_list(ROWS)
    kinds = [ROWS, tuple(ROWS), pd.DataFrame(ROWS), table, {"train": ROWS}, datasets.DatasetDict(train=table)]
    kinds.append(TextGenPool(samples({"train": ROWS, "val": ["x"], "test": ["x"]})))
    for kind in kinds:
        for split in ("train", "val", "test"):
            assert samples(kind, split) == samples(ROWS, split), type(kind)


def test_rows_are_held_out_by_the_seed() -> None:
    parts = [samples(ROWS, split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [16, 2, 2]
    assert sorted(sample.meta_data["level"] for part in parts for sample in part) == list(range(20))  # type: ignore[index]
    assert samples(ROWS, "val") == parts[1] and samples(ROWS, "val", seed=1) != parts[1]
    given = {"train": ROWS, "validation": ROWS[:3]}
    assert [len(samples(given, split)) for split in ("train", "val", "test")] == [18, 3, 2]


def test_few_rows_are_not_split(caplog: pytest.LogCaptureFixture) -> None:
    assert [len(samples(["a", "b"], split)) for split in ("train", "val", "test")] == [2, 2, 2]
    assert "data: 2 rows are too few to hold some out" in caplog.text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"trian": ["a"]}, "data: splits trian; expected train, and val and test if there are any"),
        ({"val": ["a"]}, "data: splits val; expected train"),
        (5, "data: int; expected a list of rows"),
        ([{"text": "a", "label": 1}], "row 0: prompt is none among the columns text, label; expected a text"),
        (["a", {"prompt": [{"role": "user"}]}], "row 1: prompt is list; expected a text"),
        ([{"prompt": "a", "target": "b", "references": ["c"]}], 'row 0: the column "target" would hide another'),
        ([{"prompt": "a", "completions": "b"}], 'row 0: the column "completions" would hide another'),
        ([{"prompt": "a", "target": True}], "data, train: item 0, sample 'train_0': references[0] is of type bool"),
    ],
)
def test_rows_that_are_none_are_refused(data: Any, said: str) -> None:
    with pytest.raises(DataError) as error:
        pool_of(data, 0)
    assert said in str(error.value)


def test_a_file_of_rows_is_a_pool_that_a_yaml_file_may_name(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "hello"}]
    files = {
        "chat.jsonl": ({"messages": said}, {"id": "messages", "args": {}}),
        "turns.jsonl": ({"prompt": said, "completion": "yes"}, {"id": "messages", "args": {}}),
        "plain.jsonl": ({"prompt": "p", "target": "t"}, {"id": "columns", "args": {"references": ["target"]}}),
        "folder/train.jsonl": ({"prompt": "p"}, {"id": "columns", "args": {"references": []}}),
    }
    for name, (row, expected) in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{json.dumps(row)}\n" * 3)
        path = tmp_path / "folder" if name.startswith("folder") else tmp_path / name
        expected["args"]["path"] = str(path)
        assert data_section(path, 0) == data_section(str(path), 0) == expected


def test_a_file_that_is_not_there_is_no_id(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data: nowhere.jsonl: no such file or directory"):
        data_section("nowhere.jsonl", 0)
    (tmp_path / "test.jsonl").write_text('{"prompt": "p"}\n')
    with pytest.raises(DataError, match="no train file there"):
        data_section(tmp_path, 0)
