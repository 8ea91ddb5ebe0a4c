"""Rows of local files in published columns. A fault is a DataError that names the file, the row and the column."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rl4lms.core.errors import DataError
from rl4lms.core.io import open_text, parse_json, read_lines
from rl4lms.data_pools.dataset import DataSet, Located, Row
from rl4lms.data_pools.row_check import complaint


def read_file(path: Path, dataset: DataSet) -> Iterator[Row]:
    """The checked rows of one file, one by one. Raises DataError for a suffix that no reader has."""
    for place, row in _READERS[path.suffix.lower()](path, dataset):
        wrong = complaint(row, dataset)
        if wrong:
            raise DataError(f"{path}, {place}: {wrong}.")
        yield row


def _jsonl(path: Path, dataset: DataSet) -> Located:
    for number, line in read_lines(path):
        if line.strip():
            try:
                yield f"line {number}", parse_json(line, allow_nan=True)
            except ValueError as error:
                raise DataError(f"{path}, line {number}: not valid JSON ({error}).") from None


def _json(path: Path, dataset: DataSet) -> Located:
    """A list of rows, or one row."""
    with open_text(path) as f:
        try:
            value = parse_json(f.read(), allow_nan=True)
        except ValueError as error:
            raise DataError(f"{path}: not valid JSON in UTF-8 ({error}).") from None
    for number, row in enumerate(value if isinstance(value, list) else [value], 1):
        yield f"row {number}", row


def _line_pairs(path: Path, dataset: DataSet) -> Located:
    """Two files of equally many lines, <split>.source and <split>.target; the languages are those of the data set."""
    languages = dataset.shape.get("translation")
    if not languages:
        raise DataError(f"{path}: pairs of .source and .target files hold translations, not rows of {dataset.name}.")
    both = itertools.zip_longest(read_lines(path), read_lines(target_of(path)))
    for number, (source, target) in enumerate(both, 1):
        if source is None or target is None:
            longer, shorter = (".target", ".source") if source is None else (".source", ".target")
            raise DataError(f"{path}: its {longer} has a line {number}, its {shorter} has none; expected equally many.")
        yield f"line {number}", {"translation": dict(zip(languages, (source[1], target[1]), strict=True))}


def target_of(source: Path) -> Path:
    """The other file of a pair."""
    return source.with_suffix(".TARGET" if source.suffix.isupper() else ".target")


def _csv(path: Path, dataset: DataSet) -> Located:
    """A header line, then rows; lists and objects are JSON in their cell.

    As spreadsheets write it, too: a first line `sep=;` names the delimiter, and empty rows may follow the last.
    """
    limit = csv.field_size_limit(2**31 - 1)  # the default refuses a cell of 128 kB; it is a setting of the process
    n_before, reader = 0, None
    try:
        with open_text(path) as f:
            first = f.readline()
            named = _SEPARATOR.fullmatch(first)
            n_before = 1 if named else 0
            lines = f if named else itertools.chain([first], f)
            reader = csv.DictReader(lines, strict=True, delimiter=named[1] if named else ",")
            _check_delimiter(reader.fieldnames or (), dataset, path)
            for place, row in _without_empty_end(reader, n_before):
                if dataset.keep is None or dataset.keep(path.name, row):
                    yield place, _typed_cells(row, dataset, f"{path}, {place}")
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x}"
        raise DataError(f'{path}: not valid CSV in UTF-8 (found {found}); save it as "CSV UTF-8".') from None
    except csv.Error as error:
        if "new-line character" in str(error):
            raise DataError(
                f"{path}: not valid CSV in UTF-8 (a carriage return alone as the end of a line); expected line feeds, "
                'save it as "CSV UTF-8".'
            ) from None
        line = max(1, reader.reader.line_num if reader else 0) + n_before
        raise DataError(f"{path}, line {line}: not valid CSV in UTF-8 ({error}).") from None
    finally:
        csv.field_size_limit(limit)


_SEPARATOR = re.compile("sep=(.)\r?\n")


def _check_delimiter(columns: Sequence[str], dataset: DataSet, path: Path) -> None:
    """Raises DataError for one column that holds another delimiter, as where a comma is the decimal sign."""
    if len(columns) == 1 and columns[0] not in dataset.shape:
        for character, name in ((";", "semicolons"), ("\t", "tabs")):
            if character in columns[0]:
                raise DataError(
                    f"{path}: columns separated by {name}, expected commas; export it again so, or put the line "
                    f"sep={'<tab>' if character != ';' else ';'} in front of the first."
                )


def _without_empty_end(reader: csv.DictReader[str], n_before: int) -> Located:
    """Rows with their places, without those at the end of which all cells are empty."""
    empty: list[tuple[str, Any]] = []
    for row in reader:
        located = f"row ending in line {reader.line_num + n_before}", row
        if any(cell for value in row.values() for cell in (value if isinstance(value, list) else [value])):
            yield from empty
            empty.clear()
            yield located
        else:
            empty.append(located)


def _typed_cells(row: dict[str | Any, Any], dataset: DataSet, where: str) -> Row:
    if None in row or None in row.values():
        raise DataError(f"{where}: not as many cells as the header has columns.")
    typed: Row = dict(row)
    for name, shape in dataset.shape.items():
        if name in row and shape is not str:
            if row[name] == "" and name in dataset.optional:
                typed[name] = None
                continue
            may_be_text = isinstance(shape, tuple) and str in shape
            if dataset.open and may_be_text and row[name][:1] not in ("[", "{"):
                continue  # a number is its digits as they stand there: "007", "1.50"
            try:
                typed[name] = parse_json(row[name], allow_nan=True)
            except ValueError as error:
                if not may_be_text:
                    raise DataError(f"{where}: column {name}: not valid JSON ({error}).") from None
    return typed


def _parquet(path: Path, dataset: DataSet) -> Located:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{path}: reading parquet needs pyarrow: pip install pyarrow.") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = names if dataset.open else [name for name in dataset.shape if name in names]
            number = 0
            for batch in file.iter_batches(batch_size=1024, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable parquet file ({error}).") from None


def _tsv(path: Path, dataset: DataSet) -> Located:
    if dataset.parse_lines is None:
        raise DataError(f"{path}: {dataset.name} is not published as .tsv; expected .jsonl, .parquet or .csv.")
    yield from dataset.parse_lines(read_lines(path), str(path))


_READERS: dict[str, Callable[[Path, DataSet], Located]] = {
    ".jsonl": _jsonl,
    ".parquet": _parquet,
    ".csv": _csv,
    ".tsv": _tsv,
    ".json": _json,
    ".source": _line_pairs,
}
SUFFIXES = tuple(_READERS)
