"""A data set: its columns, where its rows lie, and what makes two of them the same.

Readers, generators and pools meet here: a row is a dict in these columns, whatever its source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.io import canonical_json

Row = dict[str, Any]
Files = dict[str, list[Path]]  # split -> its files
Located = Iterator[tuple[str, Any]]  # ("line 7" | "row 7", the row before it is checked)

SPLITS = ("train", "val", "test")
PUBLISHED_SPLITS = {"train": "train", "val": "validation", "test": "test"}

PARQUET_BRANCH = "refs/convert/parquet"  # the hub's own conversion of data sets whose loading script no longer runs


def check_split(split: str) -> str:
    """`split` itself. Raises ConfigError for anything but "train", "val" and "test"."""
    if split not in SPLITS:
        raise ConfigError(unknown("split", split, SPLITS))
    return split


@dataclass(frozen=True)
class Hub:
    """Arguments of `datasets.load_dataset`. files: published split -> patterns; None leaves the choice to the hub.

    splits: those that are there. names: what they are called there; {} asks the hub which there are.
    train: where the train split comes from, if from another data set than the rest. archive: a packed folder in the
    data set's own layout, in place of `load_dataset`.
    """

    path: str
    name: str | None = None
    revision: str | None = None
    files: Mapping[str, tuple[str, ...]] | None = None
    splits: tuple[str, ...] = SPLITS
    train: Hub | None = None
    archive: str | None = None
    names: Mapping[str, str] = field(default_factory=lambda: PUBLISHED_SPLITS)

    def of(self, split: str) -> Hub:
        return self.train if self.train and split == "train" else self

    def place(self, published_split: str) -> str:
        """The hub's id, or the address of the file where the "hub" is one (the builders "json" and "text")."""
        return self.path if "/" in self.path or not self.files else self.files[published_split][0].split("::")[-1]


def converted(path: str, config: str) -> Hub:
    """A script-based data set in the hub's parquet conversion (both file layouts that its converter has written)."""
    files = {s: (f"{config}/{s}/*.parquet", f"{config}/*-{s}.parquet") for s in PUBLISHED_SPLITS.values()}
    return Hub(path, revision=PARQUET_BRANCH, files=files)


class Partial(dict[str, Any]):
    """The shape of an object of which any key may be missing."""


@dataclass(frozen=True)
class DataSet:
    """One data set, as published or a user's own.

    name: in messages, and in the hash that decides which of its rows are held out.
    folders: names of folders that it may lie in, below a `data_dir`.
    shape: column -> what its cells are (`str`, `int`, `[str]` a list of them, `{"en": str}` an object with such keys,
        a tuple any one of several); columns in `optional` may be missing or null.
    key: rows with equal keys are never put in two splits.
    check: a complaint about a row whose columns do not fit together, or None.
    merge: how carved rows of one key become one held-out row, where the published held-out splits have that form.
    layout: the files of each split in a folder that is laid out as the data set is published; {} for another folder.
    parse_lines: makes located rows of the numbered lines of a text file (.tsv here, the builder "text" of the hub) and
        of its name for messages, where the data set is published so.
    keep: says of a row of a CSV file, given the file's name, whether it is one of the data set's.
    val_fraction, test_fraction: share of the keys of train that is carved off where the split is missing.
    carve_seed: another choice of those keys; None is the usual one.
    open: rows have further columns, which are read as well.
    """

    name: str
    shape: Mapping[str, Any]
    key: Callable[[Row], str] = canonical_json
    hub: Hub | None = None
    folders: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    check: Callable[[Row], str | None] | None = None
    merge: Callable[[list[Row]], Row] | None = None
    layout: Callable[[Path], Files] | None = None
    parse_lines: Callable[[Iterable[tuple[int, str]], str], Located] | None = None
    keep: Callable[[str, Row], bool] | None = None
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    carve_seed: int | None = None
    open: bool = False

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(c for c in self.shape if c not in self.optional)
