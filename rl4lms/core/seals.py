"""Records digests of the files that a stage published, so that the next stage notices a damaged one.

The digests are in `.sha256.json` beside the files, which neither DAG declares. They hold only for a file whose
modification time is still the one recorded: a file that was edited, pulled or checked out later was changed on purpose,
and DVC verifies it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rl4lms.core.errors import DataError
from rl4lms.core.io import read_json, sha256_file, write_json

SEAL = ".sha256.json"


def seal(directory: Path, names: Iterable[str]) -> None:
    """Record the digests of files of a directory. names: their paths relative to it."""
    write_json(directory / SEAL, {name: _facts(directory / name) for name in sorted(names)})


def _facts(file: Path) -> dict[str, Any]:
    return {"mtime_ns": file.stat().st_mtime_ns, "sha256": sha256_file(file)}


def is_as_sealed(directory: Path, name: str) -> bool:
    """Whether a file exists and has the recorded digest."""
    known, file = sealed(directory).get(name), directory / name
    return known is not None and file.is_file() and sha256_file(file) == known["sha256"]


def check_seals(paths: Iterable[Path]) -> None:
    """Raises DataError for the first file, among `paths` and in directories among them, that is damaged."""
    known_in = functools.cache(sealed)
    for path in paths:
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            for directory in (file.parent, file.parent.parent):
                known = known_in(directory).get(str(file.relative_to(directory)))
                if known is not None and file.is_file():
                    _check(file, known, directory / SEAL)


def sealed(directory: Path) -> dict[str, Any]:
    """The recorded facts of a directory's published files, by name. Raises DataError if the record is malformed."""
    path = directory / SEAL
    if not path.is_file():
        return {}
    found = read_json(path)
    if not isinstance(found, dict) or not all(isinstance(v, dict) and "sha256" in v for v in found.values()):
        raise DataError(f"{path}: not a list of digests; delete it, and the files are used without a check.")
    return found


def _check(file: Path, known: dict[str, Any], by: Path) -> None:
    if file.stat().st_mtime_ns == known.get("mtime_ns") and sha256_file(file) != known["sha256"]:
        raise DataError(
            f"{file}: damaged: it is not what its stage wrote (other sha256, same time). Delete it and run that stage "
            f"again; to use it as it is, delete {by}."
        )
