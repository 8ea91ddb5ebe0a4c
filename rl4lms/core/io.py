"""Atomic writes, checked reads and digests of files. A reader never sees half a file."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from rl4lms.core.errors import DataError

AGAIN = "Mend the line, or delete the file and run the stage that made it again."
PathLike = str | os.PathLike[str]
SCRATCH = "~rl4lms"  # suffix of temporary files and directories; core/names.py refuses it in names of experiments


def canonical_json(value: Any) -> str:
    """`value` as one line of JSON with sorted keys, for hashing and comparing. Raises ValueError for NaN."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: PathLike) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def fsync(path: PathLike) -> None:
    """Write a file's bytes, or a directory's entries, through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """A temporary sibling of `path` that is fsynced and renamed onto it at the end, or removed on an error."""
    target = Path(path)
    make_directory(target.parent)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=SCRATCH, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        fsync(temporary)
        give_usual_mode(temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def give_usual_mode(path: Path) -> None:
    """Set the permissions that `open` and `mkdir` give; `tempfile` lets only the owner read."""
    mask = os.umask(0)
    os.umask(mask)
    mode = path.stat().st_mode
    usual = 0o777 if stat.S_ISDIR(mode) else 0o666
    os.chmod(path, (mode & 0o7000) | (usual & ~mask))


def give_usual_modes(directory: Path) -> None:
    """`give_usual_mode` for a directory and everything in it."""
    for path in (directory, *directory.rglob("*")):
        give_usual_mode(path)


def make_directory(path: Path) -> None:
    """Create a directory with its parents. If `path` is a link, its target is created."""
    path.resolve().mkdir(parents=True, exist_ok=True)


def move(source: Path, target: Path) -> None:
    """Rename a file to `target`; from another file system, copy it beside `target` first, so that it appears whole."""
    make_directory(target.parent)
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with atomic_path(target) as copy:
            shutil.copy2(source, copy)
        source.unlink()


def is_scratch(path: Path) -> bool:
    """Whether a file's name says that this library made it as a temporary one."""
    return path.name.startswith(".") and path.name.endswith(SCRATCH)


def write_text(path: PathLike, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: PathLike, value: Any) -> None:
    """Indented, keys in the given order, a newline at the end. Raises ValueError for NaN or infinity."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: PathLike, rows: Iterable[Any]) -> None:
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as f:
        f.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def free_name(path: Path) -> Path:
    """The first of `<path>.stale-1`, `<path>.stale-2`, ... that does not exist."""
    n = 1
    while (aside := path.with_name(f"{path.name}.stale-{n}")).exists():
        n += 1
    return aside


def read_json(path: PathLike) -> Any:
    """The value in a JSON file. Raises DataError, which names the file, if it cannot be read or parsed."""
    with open_text(path) as f:
        try:
            return parse_json(f.read())
        except ValueError as error:
            raise DataError(f"{path}: not valid JSON ({error}). Delete the file and run the stage again.") from None


def parse_json(text: str, *, allow_nan: bool = False) -> Any:
    """The value of a JSON text.

    Raises ValueError for values that would fail later: brackets nested too deeply for a recursive reader, numbers
    beyond a float, half a character (an escape such as \\ud800 without its pair) and, unless allowed, NaN and infinity.
    """
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_finite, parse_constant=None if allow_nan else _refuse)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("brackets within brackets, more than can be read") from None
    except UnicodeEncodeError:
        raise ValueError("half a character, an escape \\ud800 to \\udfff without its other half") from None
    return value


_MOST_DIGITS = 300  # of an integer; a float holds 308


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {digits[:20]} is beyond the largest float")
    return number


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


_OTHER_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def open_text(path: PathLike) -> TextIO:
    """Open a UTF-8 text file, without a byte order mark if it has one. Only a line feed ends a line.

    Nothing is translated: a carriage return is text, and so are the other characters at which `str.splitlines` splits.
    Raises DataError for a missing file and for one in UTF-16.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115 - the text file that is returned closes it
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a directory, expected a file.") from None
    other = _OTHER_ENCODINGS.get(file.peek(2)[:2])
    if other is not None:
        file.close()
        raise DataError(f"{path}: text in {other}; expected UTF-8. Save the file in that encoding.")
    return io.TextIOWrapper(file, encoding="utf-8-sig", newline="\n")


def read_lines(path: PathLike) -> Iterator[tuple[int, str]]:
    """(number, line) of a text file, numbers from 1, without the line feed (or carriage return and line feed)."""
    number = 0
    with open_text(path) as f:
        try:
            for number, line in enumerate(f, 1):
                yield number, line.removesuffix("\n").removesuffix("\r") if line.endswith("\n") else line
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text after line {number} ({error.reason}). {AGAIN}") from None


def read_jsonl(path: PathLike, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The rows of a jsonl file. Raises DataError, with file and line, for a broken line or a missing column."""
    return [_row(path, number, line, columns) for number, line in read_lines(path) if line.strip()]


def _row(path: PathLike, number: int, line: str, columns: Sequence[str]) -> dict[str, Any]:
    try:
        row = parse_json(line)
    except ValueError as error:
        raise DataError(f"{path}, line {number}: not valid JSON ({error}). {AGAIN}") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: expected an object, found {type(row).__name__}. {AGAIN}")
    missing = [c for c in columns if c not in row]
    if missing:
        found = ", ".join(sorted(row))
        raise DataError(f"{path}, line {number}: missing column {', '.join(missing)}; found {found}.")
    return row
