"""Rows of a Python program as a data pool: `rl4lms.train(data=...)`."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Mapping
from typing import Any

from rl4lms.core.conversations import COLUMN, is_conversation
from rl4lms.core.errors import DataError
from rl4lms.core.seeding import derive_seed
from rl4lms.data_pools.columns import Reader
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool, check_samples

log = logging.getLogger(__name__)
SPLITS = {"train": "train", "val": "val", "validation": "val", "valid": "val", "test": "test"}
HELD_OUT, FEWEST = 0.1, 10  # share of the rows that val and test take each; rows that are worth splitting


def pool_of(data: Any, seed: int) -> type[TextGenPool]:
    """The pool of rows, by split: lists of texts or of mappings, a datasets.Dataset, a DataFrame, or a dict of them.

    A row has a `prompt`, a text or messages, may have `references` (or `target`, `completion`: a text or a list of
    them) and an `id`, and every other column becomes meta data; or it has `messages`, of which the assistant's last is
    the reference. Without splits, or without "val" and "test", each of the two takes a tenth
    of the training rows, which the seed draws; of fewer than ten rows each split has all, which a warning says. Raises
    DataError naming the row.
    """
    given = data if isinstance(data, Mapping) else {"train": data}
    unknown = [str(name) for name in given if name not in SPLITS]
    if unknown or "train" not in {SPLITS.get(name) for name in given}:
        raise DataError(
            f"data: splits {', '.join(map(str, given))}; expected train, and val and test if there are any."
        )
    splits = {SPLITS[name]: _samples(rows, SPLITS[name]) for name, rows in given.items()}
    missing = [name for name in ("val", "test") if name not in splits]
    whole = splits["train"]
    if missing and len(whole) < FEWEST:
        log.warning(
            "data: %d rows are too few to hold some out; train, %s have them all.", len(whole), ", ".join(missing)
        )
        splits |= dict.fromkeys(missing, whole)
    elif missing:
        n = max(1, int(len(whole) * HELD_OUT))
        drawn = random.Random(derive_seed(seed, "held out")).sample(range(len(whole)), n * len(missing))
        splits |= {name: [whole[i] for i in sorted(drawn[k * n : (k + 1) * n])] for k, name in enumerate(missing)}
        held_out = set(drawn)
        splits["train"] = [sample for i, sample in enumerate(whole) if i not in held_out]

    class Rows(TextGenPool):
        @classmethod
        def prepare(cls, split: str, *args: Any, **kwargs: Any) -> TextGenPool:
            return cls(splits[split])

    return Rows


def _samples(rows: Any, split: str) -> list[Sample]:
    if hasattr(rows, "iloc"):  # a DataFrame, which iterates over the names of its columns
        rows = rows.to_dict("records")
    if isinstance(rows, TextGenPool):
        return [sample for sample, _ in rows]
    if isinstance(rows, str | bytes) or not isinstance(rows, Iterable):
        raise DataError(f"data: {type(rows).__name__}; expected a list of rows, each a prompt or a dict with one.")
    samples = [_sample(row, f"{split}_{i}", f"data, {split}, row {i}") for i, row in enumerate(rows)]
    if not samples:
        raise DataError(f"data, {split}: no rows; expected at least one.")
    check_samples(((sample, 1.0) for sample in samples), f"data, {split}")
    return samples


def _sample(row: Any, name: str, where: str) -> Sample:
    if isinstance(row, Sample):
        return row
    if isinstance(row, str):
        return Sample(name, row, [])
    if is_conversation(row):
        row = {COLUMN: row}
    if not isinstance(row, Mapping):
        raise DataError(f"{where}: {type(row).__name__}; expected a text, messages, or a mapping with one as prompt.")
    try:
        return Reader().sample({str(key): _plain(value) for key, value in row.items()}, name)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _plain(value: Any) -> Any:
    """A list of messages, of an array of them, as a DataFrame of a parquet file has."""
    listed = list(value) if hasattr(value, "dtype") and getattr(value, "ndim", 0) == 1 else value
    return listed if is_conversation(listed) else value
