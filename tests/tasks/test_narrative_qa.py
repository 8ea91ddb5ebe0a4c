from __future__ import annotations

from pathlib import Path

import pytest

from rl4lms.core.errors import DataError
from rl4lms.tasks.narrative_qa.pool import NarrativeQA

from .conftest import Write, story


def test_prompt_is_unifiedqas(write: Write) -> None:
    row = story("Who is Bob's wife?", "Bob married.\nHer name\nis Ann.", " Ann ", "BOB's Ann")
    sample = NarrativeQA.prepare("val", data_dir=str(write(train=[row], val=[row], test=[row])))[0][0]
    assert sample.prompt_or_input_text == "who is bob's wife? \\n bob married.her nameis ann. "
    assert (sample.id, sample.references, sample.meta_data) == ("val_0", ["ann", "bob's ann"], None)


def test_unifiedqa_lines_are_grouped_by_question(tmp_path: Path) -> None:
    lines = [
        'What did "Bob" do? \\n Bob ran. \t He ran \n',
        "Who? \\n Bob ran. \t Bob \n",
        'What did "Bob" do? \\n Bob ran. \t "Ran" \n',
    ]
    for name in ("train.tsv", "dev.tsv", "test.tsv"):
        (tmp_path / name).write_text("".join(lines), encoding="utf-8")
    pool = NarrativeQA.prepare("val", data_dir=str(tmp_path))
    assert [pool[i][0].prompt_or_input_text for i in range(len(pool))] == [
        'what did "bob" do? \\n bob ran. ',
        "who? \\n bob ran. ",
    ]
    assert pool[0][0].references == ["he ran", '"ran"']
    (tmp_path / "dev.tsv").write_text("no tab here\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"dev\.tsv, line 1: expected"):
        NarrativeQA.prepare("val", data_dir=str(tmp_path))


def test_no_story_is_in_two_splits(write: Write) -> None:
    rows = [story(f"Question {i}?", f"Story {i // 5}.", "yes") for i in range(100)]
    data_dir = str(write(train=rows))
    stories = []
    for split in ("train", "val", "test"):
        pool = NarrativeQA.prepare(split, data_dir=data_dir)
        stories.append({pool[i][0].prompt_or_input_text.split(" \\n ")[1] for i in range(len(pool))})
    assert [len(s) for s in stories] == [16, 2, 2]
    assert len(set().union(*stories)) == 20
