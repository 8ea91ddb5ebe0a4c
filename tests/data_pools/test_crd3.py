from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.crd3 import CRD3DialogueGeneration

from .conftest import Write


def turn(name: str, *texts: str) -> dict[str, Any]:
    return {"NAMES": [name, "ALL"], "UTTERANCES": list(texts), "NUMBER": 0}


EPISODE = {
    "TURNS": [
        turn("MATT", "You see", "a door."),
        turn("LIAM", "I knock."),
        turn("MATT", "It opens."),
        turn("SAM", "No!"),
    ]
}


@pytest.fixture
def repository(tmp_path: Path) -> Callable[[], Path]:
    """The data set's repository as GitHub packs it, with an episode a split."""

    def write_repository() -> Path:
        root = tmp_path / "CRD3-master" / "data"
        for folder in ("aligned data", "cleaned data"):
            (root / folder).mkdir(parents=True)
        for number, split in enumerate(("train", "val", "test"), 1):
            (root / "aligned data" / f"{split}_files").write_text(f"C1E00{number}\n", encoding="utf-8")
            (root / "cleaned data" / f"C1E00{number}.json").write_text(json.dumps(EPISODE), encoding="utf-8")
        return tmp_path

    return write_repository


def test_prompt_is_the_last_turns_and_the_name_of_who_speaks_next(write: Write) -> None:
    data_dir = str(write(train=[EPISODE], val=[EPISODE], test=[{"TURNS": EPISODE["TURNS"][:2]}]))
    pool = CRD3DialogueGeneration.prepare("val", max_context_size=2, data_dir=data_dir)
    assert [(s.id, s.prompt_or_input_text, s.references) for s, _ in pool] == [
        ("val_ep_0_turn_2", "MATT: You see a door.\nLIAM: I knock.\nMATT: ", ["It opens."]),
        ("val_ep_0_turn_3", "LIAM: I knock.\nMATT: It opens.\nSAM: ", ["No!"]),
    ]
    longer = CRD3DialogueGeneration.prepare("val", max_context_size=9, data_dir=data_dir)
    assert longer[1][0].prompt_or_input_text.startswith("MATT: You see a door.\nLIAM")
    with pytest.raises(DataError, match="crd3, split test: no episode has more than 2 turns"):
        CRD3DialogueGeneration.prepare("test", max_context_size=2, data_dir=data_dir)
    with pytest.raises(ConfigError, match="crd3: max_context_size 0"):
        CRD3DialogueGeneration.prepare("val", max_context_size=0, data_dir=data_dir)


def test_the_published_repository_is_read_as_it_is(repository: Callable[[], Path]) -> None:
    folder = repository()
    for data_dir in (folder, folder / "CRD3-master"):
        for split in ("train", "val", "test"):
            assert len(CRD3DialogueGeneration.prepare(split, 2, data_dir=str(data_dir))) == 2
    episode = folder / "CRD3-master" / "data" / "cleaned data" / "C1E002.json"
    episode.unlink()
    with pytest.raises(DataError, match=r"C1E002\.json: no such file, but an episode of CRD3's lists"):
        CRD3DialogueGeneration.prepare("val", 2, data_dir=str(folder))


def test_a_turn_without_a_speaker_is_refused(write: Write) -> None:
    broken = {"TURNS": [*EPISODE["TURNS"], {"NAMES": [], "UTTERANCES": ["?"]}]}
    with pytest.raises(DataError, match=r"line 1: column TURNS\[4\]\.NAMES: expected a speaker, found none"):
        CRD3DialogueGeneration.prepare("val", 2, data_dir=str(write(train=[EPISODE], val=[broken], test=[EPISODE])))
