"""CRD3: what a player of a game of Dungeons and Dragons says next (Critical Role, 159 episodes)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from rl4lms.config.kinds import DataDir
from rl4lms.config.reader import Count
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.beyond_grue import CRD3
from rl4lms.data_pools.published import Row
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool

MIN_TURNS = 2  # before a turn is a sample


class CRD3DialogueGeneration(TextGenPool):
    """Prompt: the last `max_context_size` turns as lines "NAME: what is said", and "NAME: " of the next; reference: it.

    A turn with fewer than two before it is no sample. The id counts the episodes of the split and the turns of each.
    """

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
            for episode, row in enumerate(open_source(data_dir).stream(CRD3, split)):
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
