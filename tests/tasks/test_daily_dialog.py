from __future__ import annotations

from pathlib import Path

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.tasks.daily_dialog.pool import DailyDialog

from .conftest import Write, dialog

ROWS = [dialog("Hi .", "Hello !", "Tea ?", "Yes .", act=[1, 1, 2, 4]), dialog("Go .", "No .", "Why ?", act=[3, 4, 2])]


def test_context_reference_and_meta_data(write: Write) -> None:
    data_dir = str(write(train=ROWS, val=ROWS, test=ROWS))
    pool = DailyDialog.prepare("val", context_size=2, data_dir=data_dir)
    samples = [pool[i][0] for i in range(len(pool))]
    assert [s.prompt_or_input_text for s in samples] == [
        "Hi .<EOU>Hello ! <EOU>",
        "Hello !<EOU>Tea ? <EOU>",
        "Go .<EOU>No . <EOU>",
    ]
    assert [s.references for s in samples] == [["Tea ?<EOU>"], ["Yes .<EOU>"], ["Why ?<EOU>"]]
    assert [s.meta_data for s in samples] == [{"emotion": [0], "intent": [act]} for act in (2, 4, 2)]
    assert [s.id for s in samples] == ["val_2", "val_3", "val_6"]  # the utterance's number in the split


def test_bad_input(write: Write) -> None:
    data_dir = str(write(train=ROWS, val=[*ROWS, dialog("a", "b", act=[1])], test=ROWS))
    with pytest.raises(DataError, match=r"validation\.jsonl, line 3: columns dialog, act, emotion: .*2, 1, 2"):
        DailyDialog.prepare("val", context_size=2, data_dir=data_dir)
    with pytest.raises(DataError, match="no dialogue has more than context_size 5"):
        DailyDialog.prepare("test", data_dir=data_dir)
    with pytest.raises(ConfigError, match="context_size 0"):
        DailyDialog.prepare("test", context_size=0, data_dir=data_dir)


def test_real_dialogues(shared_data: Path) -> None:
    pool = DailyDialog.prepare("train", context_size=5, data_dir=str(shared_data))
    sample = pool[0][0]
    assert sample.id == "train_5"
    assert sample.prompt_or_input_text.startswith("Good morning , sir . Is there a bank near here ?<EOU>There is one")
    assert sample.prompt_or_input_text.endswith("<EOU>RIB . <EOU>")
    assert len({pool[i][0].id for i in range(len(pool))}) == len(pool)
