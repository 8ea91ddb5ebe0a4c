"""Deterministic splits: which rows go where is a pure function of the rows, never of a random state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from rl4lms.core.errors import DataError
from rl4lms.core.io import canonical_json
from rl4lms.data_pools.published import DataSet, Row


def stable_hash(text: str, salt: str) -> int:
    """64 bits of BLAKE2b: the same in every process and on every machine."""
    return int.from_bytes(hashlib.blake2b(f"{salt}\x1f{text}".encode(), digest_size=8).digest(), "big")


def carve(rows: Sequence[Row], dataset: DataSet, splits: Sequence[str], where: str) -> dict[str, list[Row]]:
    """Cut held-out splits off train; rows of one key stay together, so no prompt is in two splits.

    The keys are ordered by their hash; of n keys the first round(n * test_fraction) (at least one) are test, the next
    round(n * val_fraction) val. splits: those to cut, of "val" and "test". Returns them and what is left as "train",
    each in the order of `rows`; a held-out key's rows are merged where the data set says how.
    Raises DataError where train has too few distinct keys.
    """
    keys = [dataset.key(row) for row in rows]
    ordered = sorted(set(keys), key=lambda key: (stable_hash(key, f"carve {dataset.task}"), key))
    fractions = {"test": dataset.test_fraction, "val": dataset.val_fraction}
    counts = {split: max(1, round(len(ordered) * fractions[split])) for split in fractions if split in splits}
    if sum(counts.values()) >= len(ordered):
        missing = " and ".join(splits)
        raise DataError(
            f"{where}: {len(ordered)} distinct rows are too few to cut a {missing} split off; give files for {missing}."
        )
    held_out: dict[str, str] = {}
    start = 0
    for split, count in counts.items():
        held_out |= dict.fromkeys(ordered[start : start + count], split)
        start += count
    parts: dict[str, list[Row]] = {split: [] for split in ("train", *counts)}
    for key, row in zip(keys, rows, strict=True):
        parts[held_out.get(key, "train")].append(row)
    if dataset.merge:
        for split in counts:
            parts[split] = [dataset.merge(group) for group in _groups(parts[split], dataset.key)]
    return parts


def _groups(rows: Iterable[Row], key: Callable[[Row], str]) -> list[list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def first_n(rows: Sequence[Row], n: int | None, salt: str) -> list[Row]:
    """The first n rows of a shuffle keyed by (salt, row), in their original order; all of them for None."""
    if n is None or n >= len(rows):
        return list(rows)
    ranks = [(stable_hash(canonical_json(row), salt), index) for index, row in enumerate(rows)]
    return [rows[index] for index in sorted(index for _, index in sorted(ranks)[:n])]


def without(rows: Iterable[Row], key: Callable[[Row], str], taken: Container[str]) -> list[Row]:
    """The rows whose key is not taken by another split."""
    return [row for row in rows if key(row) not in taken]


def disjoint(parts: Mapping[str, Sequence[Row]], dataset: DataSet) -> dict[str, list[Row]]:
    """Each row's key in one split only: test keeps all its rows, val gives way to test, train to both."""
    kept: dict[str, list[Row]] = {}
    taken: set[str] = set()
    for split in ("test", "val", "train"):
        kept[split] = without(parts[split], dataset.key, taken)
        taken |= {dataset.key(row) for row in kept[split]}
    return kept
