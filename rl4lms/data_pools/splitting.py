"""Deterministic splits: which rows go where is a pure function of the rows, never of a random state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

from rl4lms.core.errors import DataError
from rl4lms.core.io import canonical_json
from rl4lms.data_pools.dataset import DataSet, Row


def stable_hash(text: str, salt: str) -> int:
    """64 bits of BLAKE2b: the same in every process and on every machine."""
    return int.from_bytes(hashlib.blake2b(f"{salt}\x1f{text}".encode(), digest_size=8).digest(), "big")


def carved(
    read: Callable[[], Iterable[Row]], dataset: DataSet, splits: Sequence[str], split: str, where: str
) -> Iterator[Row]:
    """The rows of `split` after held-out splits are cut off train; rows of one key stay together.

    read: gives the rows of train anew at every call; they are gone through twice and never held. splits: those to cut,
    of "val" and "test"; split: one of them, or "train" for what is left. Rows keep their order; a held-out key's rows
    are merged where the data set says how. Raises DataError where train has too few distinct keys.
    """
    held_out = _held_out((dataset.key(row) for row in read()), dataset, splits, where)
    chosen = (row for row in read() if held_out.get(_rank(dataset.key(row), dataset), "train") == split)
    if dataset.merge is None or split == "train":
        yield from chosen
    else:
        yield from (dataset.merge(group) for group in _groups(chosen, dataset.key))


def _held_out(keys: Iterable[str], dataset: DataSet, splits: Sequence[str], where: str) -> dict[bytes, str]:
    """The split of each key that train loses, by the key's rank.

    Of n keys in the order of their ranks the first round(n * test_fraction) (at least one) are test, the next
    round(n * val_fraction) val.
    """
    ordered = sorted({_rank(key, dataset) for key in keys})
    fractions = {"test": dataset.test_fraction, "val": dataset.val_fraction}
    counts = {split: max(1, round(len(ordered) * fractions[split])) for split in fractions if split in splits}
    if sum(counts.values()) >= len(ordered):
        missing = " and ".join(splits)
        raise DataError(
            f"{where}: {len(ordered)} distinct rows are too few to cut a {missing} split off; give files for {missing}."
        )
    held_out: dict[bytes, str] = {}
    start = 0
    for split, count in counts.items():
        held_out |= dict.fromkeys(ordered[start : start + count], split)
        start += count
    return held_out


def _rank(key: str, dataset: DataSet) -> bytes:
    """A key's place in the order that is cut, and the key itself for all that matters: 24 bytes, however long it is."""
    salt = f"carve {dataset.name}" if dataset.carve_seed is None else f"carve {dataset.name} {dataset.carve_seed}"
    place = stable_hash(key, salt).to_bytes(8, "big")
    return place + hashlib.blake2b(key.encode(), digest_size=16).digest()


def _groups(rows: Iterable[Row], key: Callable[[Row], str]) -> list[list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def first_n(rows: Sequence[Row], n: int | None, salt: str) -> list[Row]:
    """The first n rows of a shuffle keyed by (salt, row), in their original order; all of them for None."""
    if n is None or n >= len(rows):
        return list(rows)
    return [rows[index] for index in sorted(_ranked(rows, salt)[:n])]


def shuffled(rows: Sequence[Row], salt: str) -> list[Row]:
    """All rows in the order of a shuffle keyed by (salt, row)."""
    return [rows[index] for index in _ranked(rows, salt)]


def _ranked(rows: Sequence[Row], salt: str) -> list[int]:
    ranks = [(stable_hash(canonical_json(row), salt), index) for index, row in enumerate(rows)]
    return [index for _, index in sorted(ranks)]


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
