"""Where rows come from. Every source gives the rows of a split in the data set's published columns, one by one.

`LocalSource` and `HubSource` are here; `rl4lms.tasks.generated.GeneratorSource` is the third.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.dataset import PUBLISHED_SPLITS, SPLITS, DataSet, Hub, Row, check_split
from rl4lms.data_pools.local_files import SUFFIXES, read_file, target_of
from rl4lms.data_pools.row_check import complaint
from rl4lms.data_pools.splitting import carved

log = logging.getLogger(__name__)

FILE_STEMS = {"train": ("train",), "val": ("validation", "val", "valid", "dev"), "test": ("test",)}
_SHARD = re.compile(r"(.+)-([0-9]+)-of-([0-9]+)(?:-[0-9a-f]+)?")  # the hub once added a digest
_ROWS_ONLY = (".jsonl", ".parquet", ".csv", ".tsv", ".source")  # a .json may be a summary or a setting


class Source(ABC):
    """One place that rows come from."""

    name: str

    @abstractmethod
    def stream(self, dataset: DataSet, split: str) -> Iterator[Row]:
        """The rows of "train", "val" or "test" in a fixed order, one by one: no more than one need be in memory.

        Raises DataError for a fault, and for a split without rows.
        """

    def rows(self, dataset: DataSet, split: str) -> list[Row]:
        """All of `stream`."""
        return list(self.stream(dataset, split))


def open_source(data_dir: str | os.PathLike[str] | None) -> Source:
    """Local files where a directory is named, else the hub."""
    return HubSource() if data_dir is None else LocalSource(data_dir)


def open_place(hub: Hub) -> Source:
    """Local files where `hub.path` is a file or folder or looks like one, else the hub."""
    path = Path(hub.path)
    if not path.exists() and path.suffix.lower() not in SUFFIXES and not hub.path.startswith(("/", "./", "../", "~")):
        return HubSource()
    for key, value in {"name": hub.name, "revision": hub.revision, "splits": hub.names or None}.items():
        if value is not None:
            raise ConfigError(f"{key}: is of data sets on the hub, and {hub.path} is a local path; remove it.")
    return LocalSource(path)


class LocalSource(Source):
    """Files train|validation|val|valid|dev|test.{jsonl,parquet,csv}: in `data_dir` or the data set's folder below it.

    A missing val or test split is cut from train (`splitting.carve`): the same rows every time, disjoint from the rest.
    Where a data set is published in a layout of its own (`DataSet.layout`), a folder in that layout does as well.
    """

    name = "local"

    def __init__(self, data_dir: str | os.PathLike[str]) -> None:
        self.data_dir = Path(data_dir)

    def stream(self, dataset: DataSet, split: str) -> Iterator[Row]:
        check_split(split)
        files = self.files(dataset)
        if not files:
            looked = ", ".join(str(self.data_dir / name) for name in (".", *dataset.folders))
            raise DataError(
                f"{self.data_dir}: no files of {dataset.name}. Looked in {looked} for "
                f"{{train,validation,val,valid,dev,test}}{{{','.join(SUFFIXES)}}}."
            )
        return _given_or_carved(
            dataset, split, tuple(files), lambda name: _read(files[name], dataset), str(self.data_dir)
        )

    def files(self, dataset: DataSet) -> dict[str, list[Path]]:
        """split -> the files it is read from, for the splits that have any; {} where the data set is not there."""
        if not self.data_dir.exists():
            raise DataError(f"{self.data_dir}: no such directory; expected files of {dataset.name}.")
        if self.data_dir.is_file():
            return {"train": [self.data_dir]}
        for folder in (self.data_dir, *(self.data_dir / name for name in dataset.folders)):
            found = {split: _split_files(folder, split) for split in SPLITS}
            found = {split: paths for split, paths in found.items() if paths}
            if found:
                read = {path for paths in found.values() for path in paths}
                pairs = {target_of(path) for path in read}
                _name_unread(folder, frozenset(read | pairs))
                return found
            if dataset.layout and (found := dataset.layout(folder)):
                return found
        return {}


def _split_files(folder: Path, split: str) -> list[Path]:
    """The file of a split, or its shards as the hub names them; their case does not matter.

    Raises DataError where two files claim the split, and where a shard is missing.
    """
    listed = sorted(path for path in folder.glob("*") if path.is_file())
    claims: dict[tuple[str, str, str], list[Path]] = {}
    for stem in FILE_STEMS[split]:
        for suffix in SUFFIXES:
            for path in (p for p in listed if p.suffix.lower() == suffix):
                shard = _SHARD.fullmatch(path.stem.lower())
                if (shard[1] if shard else path.stem.lower()) == stem:
                    claims.setdefault((stem, suffix, shard[3] if shard else path.name), []).append(path)
    if len(claims) > 1:
        names = ", ".join(paths[0].name for paths in claims.values())
        raise DataError(f"{folder}: more than one file for the split {split}: {names}. Keep one of them.")
    for (stem, suffix, total), paths in claims.items():
        if total.isdigit():
            _check_shards(folder, f"{stem}-{{}}-of-{total}{suffix}", int(total), paths)
        return paths
    return []


def _check_shards(folder: Path, name: str, total: int, paths: Sequence[Path]) -> None:
    there = [int(match[2]) for path in paths if (match := _SHARD.fullmatch(path.stem.lower()))]
    missing = [n for n in range(total) if n not in there]
    if missing or len(there) > total:
        which = name.format(f"{missing[0]:05}") if missing else "one of them"
        said = f"{which} is missing" if missing else f"{which} is there twice"
        raise DataError(f"{folder}: {len(there)} of the {total} files {name.format('*')}: {said}.")


@functools.cache
def _name_unread(folder: Path, read: frozenset[Path]) -> None:
    """Say once which files of a folder look like rows and are no split's, so that nobody takes them for read."""
    stems = tuple(stem for stems in FILE_STEMS.values() for stem in stems)
    unread = [
        path.name
        for path in sorted(folder.glob("*"))
        if path.is_file() and path not in read and not path.name.startswith(".")
        if path.suffix.lower() in _ROWS_ONLY or re.split(r"[^a-z]", path.name.lower())[0] in stems
    ]
    if unread:
        shown = ", ".join(unread[:5]) + (f" and {len(unread) - 5} more" if len(unread) > 5 else "")
        log.warning("%s: not read, as no split has such a file: %s.", folder, shown)


def _read(paths: Sequence[Path], dataset: DataSet) -> Iterator[Row]:
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            raise DataError(f"{path}: expected a file ending in {', '.join(SUFFIXES)}.")
    empty = True
    for path in paths:
        for row in read_file(path, dataset):
            empty = False
            yield row
    if empty:
        raise DataError(f"{', '.join(map(str, paths))}: no rows of {dataset.name}; a split may not be empty.")


def _given_or_carved(
    dataset: DataSet, split: str, given: Sequence[str], read: Callable[[str], Iterator[Row]], where: str
) -> Iterator[Row]:
    missing = [name for name in ("val", "test") if name not in given]
    if split in given and not (split == "train" and missing):
        return read(split)
    if "train" not in given:
        raise DataError(f"{where}: no file for the split {split} of {dataset.name}, and no train file to cut it from.")
    return carved(lambda: read("train"), dataset, missing, split, where)


class HubSource(Source):
    """The published data set, by `datasets`; downloaded once into the cache of that library."""

    name = "hub"

    def stream(self, dataset: DataSet, split: str) -> Iterator[Row]:
        check_split(split)
        hub = _hub(dataset)
        if hub.archive:
            return LocalSource(_unpacked(hub.archive, dataset, split)).stream(dataset, split)
        if hub.names is not PUBLISHED_SPLITS:
            names = _names(hub)
            hub = replace(hub, names=names, splits=tuple(names))
            dataset = replace(dataset, hub=hub)
        return _given_or_carved(dataset, split, hub.splits, lambda name: _load(dataset, name), f"hub {hub.path}")


def _hub(dataset: DataSet) -> Hub:
    if dataset.hub is None:
        raise DataError(f"{dataset.name}: not on the hub; give data_dir, a folder of local files.")
    return dataset.hub


def _load(dataset: DataSet, split: str) -> Iterator[Row]:
    published = _hub(dataset).names[split]
    hub = _hub(dataset).of(split)
    where = f"{dataset.name} from {hub.place(published)}, split {published}"
    files = {published: list(hub.files[published])} if hub.files else None
    with _one_error(where):
        import datasets

        table = datasets.load_dataset(hub.path, hub.name, data_files=files, split=published, revision=hub.revision)
    rows: Iterable[Row] = table
    if dataset.parse_lines is not None:
        lines = ((number, row["text"]) for number, row in enumerate(rows, 1))
        rows = (row for _, row in dataset.parse_lines(lines, where))
    number = 0
    for number, row in enumerate(rows, 1):
        wrong = complaint(row, dataset)
        if wrong:
            raise DataError(f"{where}, row {number}: {wrong}.")
        yield row
    if not number:
        raise DataError(f"{where}: no rows.")


def _names(hub: Hub) -> dict[str, str]:
    """What a data set calls the splits, as given or by the names that are usual. Raises DataError without train."""
    given = dict(hub.names)
    if not given:
        with _one_error(f"hub {hub.path}"):
            import datasets

            there = list(datasets.load_dataset(hub.path, hub.name, revision=hub.revision))
        given = {split: name for split in SPLITS for name in reversed(FILE_STEMS[split]) if name in there}
        if "train" not in given:
            expected = f"splits: {{train: {there[0] if there else '...'}}}"
            raise DataError(f"hub {hub.path}: no split train among {', '.join(there)}; say which it is: {expected}.")
    for split in given:
        check_split(split)
    return given


def _unpacked(archive: str, dataset: DataSet, split: str) -> Path:
    with _one_error(f"{dataset.name} from {archive}, split {PUBLISHED_SPLITS[split]}"):
        import datasets

        return Path(datasets.DownloadManager().download_and_extract(archive))


@contextlib.contextmanager
def _one_error(where: str) -> Iterator[None]:
    """The loader passes on the errors of five libraries: to the user they are one, in one line."""
    try:
        yield
    except ImportError:
        raise DataError(f"{where}: needs the datasets library: pip install datasets; or give data_dir.") from None
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "")
        raise DataError(
            f"{where}: could not be loaded ({type(error).__name__}: {reason}). "
            "Go online, or give data_dir, a folder of local files."
        ) from error
