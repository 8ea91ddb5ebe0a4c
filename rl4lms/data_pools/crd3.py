"""CRD3: what a player of a game of Dungeons and Dragons says next (Critical Role, 159 episodes)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from rl4lms.config.kinds import DataDir
from rl4lms.config.reader import Count
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import read_lines
from rl4lms.data_pools.dataset import DataSet, Files, Hub, Row
from rl4lms.data_pools.row_pool import RowPool
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample

MIN_TURNS = 2  # before a turn is a sample


_ARCHIVE = "https://github.com/RevanthRameshkumar/CRD3/archive/refs/heads/master.zip"


def _layout(folder: Path) -> Files:
    """The repository of CRD3, whole or unpacked one folder down: lists of episodes, and a file for each episode."""
    for root in (folder, folder / "CRD3-master"):
        lists = {split: root / "data" / "aligned data" / f"{split}_files" for split in ("train", "val", "test")}
        if not any(path.is_file() for path in lists.values()):
            continue
        files = {split: _episodes(path, root) for split, path in lists.items() if path.is_file()}
        for path in (path for paths in files.values() for path in paths):
            if not path.is_file():
                raise DataError(f"{path}: no such file, but an episode of CRD3's lists; download the data set again.")
        return files
    return {}


def _episodes(listing: Path, root: Path) -> list[Path]:
    names = (line.strip() for _, line in read_lines(listing))
    return [root / "data" / "cleaned data" / f"{name}.json" for name in names if name]


def _check_turns(row: Row) -> str | None:
    for number, turn in enumerate(row["TURNS"]):
        if not turn["NAMES"]:
            return f"column TURNS[{number}].NAMES: expected a speaker, found none"
    return None


class CRD3DialogueGeneration(RowPool):
    """Prompt: the last `max_context_size` turns as lines "NAME: what is said", and "NAME: " of the next; reference: it.

    A turn with fewer than two before it is no sample. The id counts the episodes of the split and the turns of each.
    """

    dataset = DataSet(
        name="crd3",
        folders=("crd3",),
        shape={"TURNS": [{"NAMES": [str], "UTTERANCES": [str]}]},  # a row is an episode
        key=lambda row: "\n".join(text for turn in row["TURNS"] for text in turn["UTTERANCES"]),
        hub=Hub("crd3", archive=_ARCHIVE),
        check=_check_turns,
        layout=_layout,
    )

    @classmethod
    def prepare(
        cls,
        split: str,
        max_context_size: Annotated[Count, "Turns that a prompt holds at most."],
        data_dir: DataDir = None,
    ) -> CRD3DialogueGeneration:
        if max_context_size < 1:
            raise ConfigError(f"crd3: max_context_size {max_context_size}: expected a whole number of at least 1.")

        def samples() -> Iterator[Sample]:
            for episode, row in enumerate(open_source(data_dir).stream(cls.dataset, split)):
                lines = [_line(turn) for turn in row["TURNS"]]
                for turn, (name, said) in enumerate(lines):
                    if turn >= MIN_TURNS:
                        context = lines[max(turn - max_context_size, 0) : turn]
                        prompt = "".join(f"{speaker}: {text}\n" for speaker, text in context) + f"{name}: "
                        yield Sample(f"{split}_ep_{episode}_turn_{turn}", prompt, [said])

        pool = cls(stored(samples()))
        if not len(pool):
            raise DataError(f"crd3, split {split}: no episode has more than {MIN_TURNS} turns.")
        return pool


def _line(turn: Row) -> tuple[str, str]:
    """(who, what is said); of several speakers the first."""
    return turn["NAMES"][0], " ".join(turn["UTTERANCES"])
