"""Pools of plain columns and of messages: files, a hub that a test plays, and what is wrong with a row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rl4lms.api.rows import pool_of
from rl4lms.core.conversations import prompt_of, reading
from rl4lms.core.errors import ConfigError, DataError, RunError
from rl4lms.core.tables import DataPoolRegistry
from rl4lms.data_pools.text_generation_pool import Sample

USER = {"role": "user", "content": "2 + 2?"}
ANSWER = {"role": "assistant", "content": "4"}
SYSTEM = {"role": "system", "content": "Be brief."}
ROWS = [{"question": f"q{i}", "answer": i, "level": i % 3} for i in range(20)]


def written(path: Path, rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        pd.DataFrame(rows).to_parquet(path)
    return path


def samples(kind: str, path: Any, split: str = "train", **args: Any) -> list[Sample]:
    return [sample for sample, _ in DataPoolRegistry.get(kind, {"split": split, "path": str(path), **args})]


def columns(path: Any, split: str = "train", **args: Any) -> list[Sample]:
    return samples("columns", path, split, **{"prompt": "question", "references": ["answer"], **args})


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_columns_by_name_of_files(tmp_path: Path, suffix: str) -> None:
    for split, stem in (("train", "train"), ("val", "validation"), ("test", "test")):
        written(tmp_path / f"{stem}{suffix}", ROWS[:2] if split == "test" else ROWS)
    assert len(columns(tmp_path, "val")) == 20
    level = "1" if suffix == ".csv" else 1
    assert columns(tmp_path, "test")[1] == Sample("test_1", "q1", ["1"], {"level": level})
    assert columns(tmp_path, "test", references="answer") == columns(tmp_path, "test")
    assert columns(tmp_path, "test", references=None)[0].meta_data["answer"] in (0, "0")  # type: ignore[index]


def test_one_file_is_split_into_disjoint_tenths(tmp_path: Path) -> None:
    rows = [{**row, "question": f"q{i // 2}"} for i, row in enumerate(ROWS * 2)]
    parts = [columns(written(tmp_path / "all.jsonl", rows), split) for split in ("train", "val", "test")]
    prompts = [{sample.prompt_or_input_text for sample in part} for part in parts]
    assert [len(each) for each in prompts] == [16, 2, 2] and not prompts[0] & prompts[1] | prompts[1] & prompts[2]
    assert sum(map(len, parts)) == 40


def test_a_question_is_what_a_user_says(tmp_path: Path) -> None:
    path = written(tmp_path / "train.jsonl", ROWS).parent
    asked = {"role": "user", "content": columns(path)[0].prompt_or_input_text}
    assert prompt_of(columns(path)[0]) == asked["content"]
    assert prompt_of(columns(path, chat=True)[0]) == [asked]
    sample = columns(path, chat=True, system="Be brief.")[0]
    assert prompt_of(sample) == [SYSTEM, asked]
    assert sample.prompt_or_input_text == reading([SYSTEM, asked]) and sample.meta_data["level"] == 0  # type: ignore[index]


CONVERSATIONS = [
    ({"messages": [USER, ANSWER]}, [USER], ["4"]),
    ({"messages": [SYSTEM, USER]}, [SYSTEM, USER], []),
    ({"messages": [USER, ANSWER, USER, ANSWER], "prompt": "2 + 2?"}, [USER, ANSWER, USER], ["4"]),
    ({"prompt": [USER], "completion": [ANSWER]}, [USER], ["4"]),
    ({"prompt": "2 + 2?", "chosen": [USER, ANSWER], "rejected": [USER, ANSWER]}, [USER], ["4"]),
    ({"prompt": [USER], "references": ["4", "four"]}, [USER], ["4", "four"]),
    ({"prompt": [USER, ANSWER], "references": None}, [USER], ["4"]),
]


@pytest.mark.parametrize(("row", "messages", "references"), CONVERSATIONS)
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_the_conversational_format(tmp_path: Path, row: Any, messages: Any, references: Any, suffix: str) -> None:
    written(tmp_path / f"train{suffix}", [row])
    written(tmp_path / f"val{suffix}", [row])
    written(tmp_path / f"test{suffix}", [row])
    sample = samples("messages", tmp_path)[0]
    assert prompt_of(sample) == messages and sample.references == references
    assert sample.meta_data["messages"] == messages, "the column that a function may ask for"  # type: ignore[index]
    assert prompt_of(samples("messages", tmp_path, system="Be brief.")[0])[0] == SYSTEM


def test_rows_of_a_program_are_read_alike(tmp_path: Path) -> None:
    for row, messages, references in CONVERSATIONS:
        if not isinstance(row.get("prompt"), str):
            sample = pool_of([row] * 2, 0).prepare("train")[0][0]
            assert prompt_of(sample) == messages and sample.references == references
    assert prompt_of(pool_of([[USER]], 0).prepare("train")[0][0]) == [USER], "a row that is a list of messages"
    table = pd.read_parquet(written(tmp_path / "a.parquet", [{"messages": [USER, ANSWER]}]))
    assert prompt_of(pool_of(table, 0).prepare("train")[0][0]) == [USER], "cells of a parquet file are arrays"
    assert pool_of(["a"], 0).prepare("train")[0][0].prompt_or_input_text == "a"


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        ("columns", {"text": "a"}, "line 2: missing column question, answer; found text"),
        ("columns", {"question": 3, "answer": 1}, "line 2: column question: expected text or a list, found int"),
        ("columns", {"question": "a", "answer": None}, "line 2: column answer: expected text or a whole number or"),
        ("columns", {"question": "a", "answer": [True]}, "line 2: column answer[0]: expected text or a whole"),
        ("columns", {"question": "a", "answer": 1, "prompts": 2}, 'line 2: the column "prompts" would hide another'),
        ("messages", {"text": "a"}, "line 2: prompt is none among the columns text; expected a text, or messages"),
        ("messages", {"messages": [{"role": "user"}]}, "line 2: column messages[0]: missing key content"),
        ("messages", {"messages": [{**USER, "content": None}]}, "line 2: column messages[0].content: expected text"),
        ("messages", {"messages": []}, "line 2: messages is list; expected a text, or messages"),
        ("messages", {"messages": [ANSWER]}, "line 2: messages: nothing is said before the assistant's turn"),
        ("messages", {"messages": [USER, ANSWER, ANSWER]}, "line 2: messages: it ends in two turns of the assistant"),
        ("messages", {"prompt": "a", "chosen": [USER]}, "line 2: chosen: its last message is of the user, expected"),
        ("messages", {"prompt": "a", "chosen": "b", "target": "c"}, 'line 2: the column "chosen" would hide another'),
    ],
)
def test_a_fault_names_file_row_and_column(tmp_path: Path, kind: str, row: Any, said: str) -> None:
    right: dict[str, Any] = {"question": "a", "answer": 1} if kind == "columns" else {"messages": [USER, ANSWER]}
    path = written(tmp_path / "train.jsonl", [right, row])
    with pytest.raises(DataError) as error:
        columns(path) if kind == "columns" else samples(kind, path)
    assert str(error.value).startswith(f"{path}, {said}") and "\n" not in str(error.value)


def test_a_cell_of_a_csv_file_is_the_text_that_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text('question,answer\n[q1,007\nq2,"[1, ""b""]"\nq3,1.50\nq4,true\n')
    for stem in ("val", "test"):
        (tmp_path / f"{stem}.csv").write_bytes(path.read_bytes())
    assert [sample.references for sample in columns(tmp_path)] == [["007"], ["1", "b"], ["1.50"], ["true"]]


class Hub:
    """Plays `datasets.load_dataset`."""

    def __init__(self, splits: dict[str, Any]) -> None:
        self.splits, self.asked = splits, []

    def __call__(self, path: str, name: Any = None, *, split: Any = None, **given: Any) -> Any:
        self.asked.append((path, name, split, given.get("revision")))
        return self.splits if split is None else self.splits[split]


def test_a_data_set_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    hub = Hub({"train_sft": [{"messages": [{**USER, "content": f"q{i}"}, ANSWER]} for i in range(20)]})
    monkeypatch.setattr(datasets, "load_dataset", hub)
    with pytest.raises(DataError, match=r"no split train among train_sft; say which it is: splits: {train: train_sft}"):
        samples("messages", "user/chats")
    given = {"splits": {"train": "train_sft"}, "name": "all", "revision": "v1"}
    assert [len(samples("messages", "user/chats", split, **given)) for split in ("train", "val")] == [16, 2]
    assert hub.asked[-1] == ("user/chats", "all", "train_sft", "v1")
    hub.splits = {"train": ROWS, "dev": ROWS[:3], "test": [*ROWS[:2], {"question": "a"}]}
    assert len(columns("user/chats", "val")) == 3
    with pytest.raises(DataError, match="samples from user/chats, split test, row 3: missing column answer; found"):
        columns("user/chats", "test")


def test_arguments_that_cannot_be(tmp_path: Path) -> None:
    path = written(tmp_path / "train.jsonl", ROWS)
    with pytest.raises(ConfigError, match="question is the prompt and a reference"):
        columns(path, references=["question"])
    with pytest.raises(ConfigError, match=r"splits: is of data sets on the hub, and .*train.jsonl is a local path"):
        columns(path, splits={"train": "a"})
    with pytest.raises(DataError, match=r"none.jsonl: no such directory"):
        columns(tmp_path / "none.jsonl")
    with pytest.raises((ConfigError, RunError), match="trian"):
        columns("user/chats", splits={"trian": "a"})
