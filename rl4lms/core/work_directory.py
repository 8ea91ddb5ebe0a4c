"""The directory in which a stage works, and the publishing of its results.

Snakemake deletes the declared outputs of a failed job, and DVC those of a stage that starts. So checkpoints are kept in
a work directory that neither of them knows. It holds digests of everything that determines the run; if one differs, the
directory is set aside and not resumed.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import logging
import os
import shutil
import tempfile
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rl4lms import __version__
from rl4lms.core.checkpoints import is_checkpoint
from rl4lms.core.errors import DataError, RunError, UserError
from rl4lms.core.io import (
    SCRATCH,
    canonical_json,
    free_name,
    fsync,
    give_usual_mode,
    is_scratch,
    make_directory,
    move,
    read_json,
    sha256_file,
    sha256_text,
    write_json,
)
from rl4lms.core.kernels import process_facts
from rl4lms.core.locks import OWNER, holder, locked
from rl4lms.core.seals import SEAL, check_seals, is_as_sealed, seal, sealed
from rl4lms.core.sources import Sources

logger = logging.getLogger(__name__)

DIGEST_FILE, LOG_FILE = ".run.json", "log.txt"
CHECKPOINTS = "checkpoints"
_OWN = (DIGEST_FILE, LOG_FILE, OWNER)  # files that are not published
# Files about the execution and not about its results. A run that reads a directory as input does not read them.
_FACTS = ("manifest.json", "timing.jsonl", SEAL)


def work_path(out: Path) -> Path:
    """The work directory of a run that publishes into `out`: a hidden sibling, on the same file system."""
    return out.parent / f".{out.name}.work"


@functools.cache
def code_digest() -> str:
    """sha256 over this package's files: another version of the code does not resume this one's checkpoints."""
    return sha256_text(f"{__version__} {Sources().digest_of_all()}")


def input_digests(paths: Iterable[Path]) -> dict[str, str]:
    """path -> sha256 of each of these files, and of those in these directories. Missing paths are left out."""
    digests = {}
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        digests.update({str(file): sha256_file(file) for file in files if file.is_file() and file.name not in _FACTS})
    return digests


@contextlib.contextmanager
def work_directory(
    path: Path, config: Mapping[str, Any], inputs: Iterable[Path], parts: Mapping[str, str] | None = None
) -> Iterator[Path]:
    """The work directory `path`, either new or with earlier progress of the same run, locked while the block runs.

    config: the resolved configuration; inputs: files and directories that the run reads; parts: name -> digest of
    whatever else determines it. If `path` belongs to another run (another config, input, code, thread count, kernels,
    packages or part), it is renamed to `<path>.stale-<n>` with a warning. Raises RunError if another process works in
    it, and DataError for a damaged input (core/seals.py). If the block refuses its input before it has written
    anything, the directory is removed again.
    """
    read = list(inputs)
    check_seals(read)
    own = {"config": dict(config), "inputs": input_digests(read), "code": code_digest()}
    identity = own | process_facts()
    digests = {name: sha256_text(canonical_json(value)) for name, value in identity.items()} | dict(parts or {})
    missing = [each for each in (path, *path.parents) if not each.exists()]
    with contextlib.ExitStack() as locks:
        locks.enter_context(_locked(path))
        _sweep(path)
        changed = _differences(path, digests)
        if changed:
            _set_aside(path, changed)
            locks.enter_context(_locked(path))
        write_json(path / DIGEST_FILE, digests)
        try:
            yield path
        except BaseException as error:
            if isinstance(error, UserError) and error.__cause__ is None:
                _remove_unused(missing)
            elif not isinstance(error, KeyboardInterrupt | SystemExit):
                _keep_traceback(path, error)
            raise


def _keep_traceback(path: Path, error: BaseException) -> None:
    """Append an error's traceback to the run's log, unless the disk refuses it."""
    with contextlib.suppress(OSError), open(path / LOG_FILE, "a", encoding="utf-8", errors="backslashreplace") as log:
        log.writelines(traceback.format_exception(error))


def _sweep(path: Path) -> None:
    """Remove temporary files of a killed process, and the directory that it was about to remove."""
    shutil.rmtree(_finished(path.resolve()), ignore_errors=True)
    for file in path.rglob(f".*{SCRATCH}"):
        if file.is_file():
            file.unlink()


def _finished(path: Path) -> Path:
    """The name that a work directory gets after publishing, before it is removed."""
    return path.with_name(f".{path.name}.done{SCRATCH}")


def _remove_unused(made: list[Path]) -> None:
    """Remove directories that were made for a run, innermost first, up to the first that holds something else."""
    for path in made:
        if path is made[0] and {file.name for file in path.iterdir()} <= set(_OWN):
            for name in _OWN:
                (path / name).unlink(missing_ok=True)
        if any(path.iterdir()):
            return
        path.rmdir()


def publish_run(work: Path, out: Path, declared: Iterable[str]) -> None:
    """Move a finished run's files into `out` and remove the work directory.

    declared: files, relative to `work`, that must exist; otherwise RunError names the missing ones and nothing is
    published. All other files of the run are published, too (predictions, timing, manifest), except its checkpoints.
    Each file appears whole, and the work directory keeps all of them until the last one is published. Files that an
    earlier run published and this one does not are removed; other files in `out` stay.
    """
    missing = [name for name in declared if not (work / name).is_file()]
    if missing:
        raise RunError(f"{work}: the run ended without {', '.join(missing)}; nothing is published.")
    own = {path for path in (work / CHECKPOINTS).glob("*") if is_checkpoint(path)}
    files = [p for p in sorted(work.rglob("*")) if _is_published(p.relative_to(work)) and own.isdisjoint(p.parents)]
    files = [p for p in files if p.is_file()]
    for source in files:
        fsync(source)
    for source in files:
        target = out / source.relative_to(work)
        make_directory(target.parent)
        scratch = target.with_name(f".{target.name}.part{SCRATCH}")
        scratch.unlink(missing_ok=True)
        give_usual_mode(source)
        _link(source, scratch)
        os.replace(scratch, target)
        scratch.unlink(missing_ok=True)  # if both names are links to one file, `os.replace` does nothing
    names = [str(source.relative_to(work)) for source in files]
    _clear(out, keep=names)
    seal(out, names)
    for directory in {(out / name).parent for name in names}:
        fsync(directory)
    work = work.resolve()  # if `work` is a link, its target is renamed and removed
    finished = _finished(work)
    shutil.rmtree(finished, ignore_errors=True)
    os.rename(work, finished)  # because a half removed work directory would look like a run's progress
    shutil.rmtree(finished)


def _is_published(name: Path) -> bool:
    """Whether a file of a work directory is to be published. name: its path relative to the directory."""
    return name.parts[0] not in _OWN and not any(is_scratch(Path(part)) for part in name.parts)


def _clear(out: Path, keep: Iterable[str]) -> None:
    """Remove files that an earlier run published and this one did not, unless they were changed since."""
    with contextlib.suppress(DataError):  # without a readable record nothing is removed
        for name in sealed(out).keys() - set(keep):
            file = out / name
            if ".." not in Path(name).parts and is_as_sealed(out, name):
                file.unlink()
                with contextlib.suppress(OSError):  # the directory is not empty
                    if file.parent != out:
                        file.parent.rmdir()


@contextlib.contextmanager
def publish_directory(target: Path) -> Iterator[Path]:
    """A scratch directory beside `target`; if the block succeeds, its files are renamed into `target` one by one.

    Other files of `target` stay. After an error `target` is unchanged. The scratch directory of a killed process is
    removed by the next one.
    """
    make_directory(target.parent)
    prefix = f".{target.name}.new."
    for left in target.parent.glob(f"{glob.escape(prefix)}*{SCRATCH}"):
        with contextlib.suppress(FileNotFoundError), locked(left) as is_ours:
            if is_ours:
                shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=prefix, suffix=SCRATCH, dir=target.parent))
    try:
        with locked(scratch):
            yield scratch
            files = sorted(p for p in scratch.rglob("*") if p.is_file() and p.name != OWNER)
            for source in files:
                fsync(source)
            make_directory(target)
            for source in files:
                give_usual_mode(source)
                move(source, target / source.relative_to(scratch))
            seal(target, [str(source.relative_to(scratch)) for source in files])
            fsync(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # the file system has no hard links
        shutil.copy2(source, target)


def _differences(path: Path, digests: Mapping[str, str]) -> list[str]:
    """The names of the digests in `path` that differ from `digests`; none for an empty directory."""
    if all(file.name == OWNER for file in path.iterdir()):
        return []
    if not (path / DIGEST_FILE).is_file():
        return ["origin"]
    found = read_json(path / DIGEST_FILE)
    if not isinstance(found, dict):
        return ["origin"]
    return sorted(name for name in digests.keys() | found.keys() if found.get(name) != digests.get(name))


def _set_aside(path: Path, changed: list[str]) -> None:
    aside = free_name(path)
    os.rename(path, aside)
    (aside / OWNER).unlink(missing_ok=True)
    logger.warning("%s: progress of another run (other %s) set aside as %s.", path, ", ".join(changed), aside.name)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Create the directory `path` if needed, and lock it until the block ends or the process dies."""
    make_directory(path)
    with locked(path) as is_ours:
        if not is_ours:
            raise RunError(f"{path}: another process is writing this run; wait for it or stop it{holder(path)}.")
        yield
