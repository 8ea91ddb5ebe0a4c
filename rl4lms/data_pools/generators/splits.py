"""Which content belongs to which split, and draws without repetition."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from rl4lms.core.errors import DataError

_OWNERS = ("train", "train", "train", "train", "val", "test")
_MAX_MISSES = 20_000

Content = TypeVar("Content")


def owner(unit: str) -> str:
    """The one split that may show `unit` (a film title, a concept set, ...): 4 in 6 train, 1 in 6 each val and test."""
    return _OWNERS[zlib.crc32(unit.encode()) % len(_OWNERS)]


def distinct(
    rng: random.Random,
    split: str,
    draw: Callable[[random.Random], Content],
    unit: Callable[[Content], str],
) -> Iterator[Content]:
    """Draws whose unit belongs to `split`, each unit once, without end.

    Raises DataError when 20,000 draws in a row bring nothing new: the grammar holds no more.
    """
    seen: set[str] = set()
    misses = 0
    while misses < _MAX_MISSES:
        content = draw(rng)
        name = unit(content)
        if name in seen or owner(name) != split:
            misses += 1
            continue
        misses = 0
        seen.add(name)
        yield content
    raise DataError(
        f"split {split}: the generator has no more than {len(seen)} distinct units of it. Ask for fewer rows."
    )
