"""Seeded generators of text in the published columns of the seven GRUE data sets.

They stand in for the data sets where there is no network: a model trained from scratch in a minute can learn their
text, and cannot exhaust it. A row is a pure function of (task, split, seed, position); no content of one split
occurs in another, whatever the seed.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

from rl4lms.core.errors import ConfigError
from rl4lms.core.registry import Registry
from rl4lms.core.seeding import derive_seed
from rl4lms.data_pools.published import SPLITS, check_split

__all__ = ["SPLITS", "TASKS", "generate"]

_ROWS = Registry(
    "generated task",
    {
        task: f"{__name__}.{task}:rows"
        for task in ("imdb", "common_gen", "cnn_dailymail", "totto", "iwslt2017", "narrative_qa", "daily_dialog")
    },
)
TASKS = tuple(_ROWS.ids())


def generate(task: str, split: str, n: int, seed: int) -> list[dict[str, Any]]:
    """`n` rows of `split` ("train", "val" or "test"); the first k of them are the rows of `n=k`.

    Raises ConfigError for an unknown task or split or a negative `n`, DataError where the grammar has fewer rows.
    """
    check_split(split)
    if n < 0:
        raise ConfigError(f"rows of {task}, split {split}: expected 0 or more, found {n}.")
    rows = _ROWS.load(task)
    rng = random.Random(derive_seed(seed, "generator", task, split))
    return list(itertools.islice(rows(rng, split), n))
