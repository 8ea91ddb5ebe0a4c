"""Files: atomic writes, checked reads, digests. A reader never sees half a file."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rl4lms.core.errors import DataError

AGAIN = "Mend the line, or delete the file and run the stage that made it again."
PathLike = str | os.PathLike[str]
SCRATCH = "~rl4lms"  # ends the names of our temporary files and directories, and no experiment's (core/names.py)


def canonical_json(value: Any) -> str:
    """One line, keys sorted, no NaN: the form that is hashed and compared."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: PathLike) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def fsync(path: PathLike) -> None:
    """Have a file's bytes, or a directory's names, on the disk before anything that builds on them."""
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
    """The permissions that `open` and `mkdir` would have given; temporary files are their owner's alone."""
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
    """The directory `path` with its parents; where it is a link to one that is not there (yet), that one."""
    path.resolve().mkdir(parents=True, exist_ok=True)


def move(source: Path, target: Path) -> None:
    """Rename a file onto `target`, through a copy beside it where that lies on another file system."""
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
    """Whether a file is a temporary one of ours, by its name."""
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


def read_json(path: PathLike) -> Any:
    with open_text(path) as f:
        try:
            return json.load(f)
        except ValueError as error:
            raise DataError(f"{path}: not valid JSON ({error}). Delete the file and run the stage again.") from None


def open_text(path: PathLike) -> Any:
    """`open` for reading whose missing file is a one-line DataError."""
    try:
        return open(path, encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a directory, expected a file.") from None


def read_jsonl(path: PathLike, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Rows of a jsonl file. Raises DataError naming file and line for a broken line or a missing column."""
    rows: list[dict[str, Any]] = []
    with open_text(path) as f:
        try:
            for number, line in enumerate(f, 1):
                if line.strip():
                    rows.append(_row(path, number, line, columns))
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text after line {len(rows)} ({error.reason}). {AGAIN}") from None
    return rows


def _row(path: PathLike, number: int, line: str, columns: Sequence[str]) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{path}, line {number}: not valid JSON ({error}). {AGAIN}") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: expected an object, found {type(row).__name__}. {AGAIN}")
    missing = [c for c in columns if c not in row]
    if missing:
        found = ", ".join(sorted(row))
        raise DataError(f"{path}, line {number}: missing column {', '.join(missing)}; found {found}.")
    return row
