"""The undeclared directory that a stage works in, and the publishing of what it made.

Snakemake deletes the declared outputs of a job that failed, DVC those of a stage that starts: a checkpoint that is to
survive lies elsewhere. A work directory carries the digest of what determines its run; with another digest it is set
aside, never resumed.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import hashlib
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

logger = logging.getLogger(__name__)

DIGEST_FILE, LOG_FILE = ".run.json", "log.txt"
CHECKPOINTS = "checkpoints"
_OWN = (DIGEST_FILE, LOG_FILE, OWNER)  # done with when the run is, as its checkpoints are
_FACTS = ("manifest.json", "timing.jsonl", SEAL)  # of one execution: a run that reads a directory does not read them


def work_path(out: Path) -> Path:
    """The work directory of a run that publishes into `out`: a hidden sibling, so that publishing is a rename."""
    return out.parent / f".{out.name}.work"


@functools.cache
def code_digest() -> str:
    """sha256 over this package's sources: another version of the code does not resume this one's checkpoints."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256(__version__.encode())
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()


def input_digests(paths: Iterable[Path]) -> dict[str, str]:
    """sha256 of every file that a run reads; a directory stands for the files in it. Missing paths are left out."""
    digests = {}
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        digests.update({str(file): sha256_file(file) for file in files if file.is_file() and file.name not in _FACTS})
    return digests


@contextlib.contextmanager
def work_directory(
    path: Path, config: Mapping[str, Any], inputs: Iterable[Path], parts: Mapping[str, str] | None = None
) -> Iterator[Path]:
    """`path`, new or holding the same run's progress, locked while the block runs.

    config: the resolved configuration; inputs: files and directories that the run reads; parts: name -> digest of what
    else determines it. A directory there of another run (another config, input, code, thread count, kernels,
    packages or part) is renamed to `<path>.stale-<n>`, and said. Raises RunError where another process works there,
    DataError for an input that has decayed (core/seals.py). Input that is refused before the run has begun leaves no
    directory behind.
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
    """Write what the one line of an error leaves out to the run's log, where the disk takes it."""
    with contextlib.suppress(OSError), open(path / LOG_FILE, "a", encoding="utf-8", errors="backslashreplace") as log:
        log.writelines(traceback.format_exception(error))


def _sweep(path: Path) -> None:
    """Remove what a killed process left half done: temporary files, and a directory that it was about to remove."""
    shutil.rmtree(_finished(path.resolve()), ignore_errors=True)
    for file in path.rglob(f".*{SCRATCH}"):
        if file.is_file():
            file.unlink()


def _finished(path: Path) -> Path:
    """Where a work directory goes whose files are all published, on its way out."""
    return path.with_name(f".{path.name}.done{SCRATCH}")


def _remove_unused(made: list[Path]) -> None:
    """Remove directories that were made for a run, innermost first, as far as the run has left nothing in them."""
    for path in made:
        if path is made[0] and {file.name for file in path.iterdir()} <= {DIGEST_FILE, LOG_FILE, OWNER}:
            for name in (DIGEST_FILE, LOG_FILE, OWNER):
                (path / name).unlink(missing_ok=True)
        if any(path.iterdir()):
            return
        path.rmdir()


def publish(work: Path, out: Path, declared: Iterable[str]) -> None:
    """Put a finished run's files into `out` and remove the work directory.

    declared: files, relative to `work`, that must be there; RunError names one that is not, and nothing is published.
    Every other file of the run goes along (predictions, timing, manifest), its checkpoints do not. Files appear whole,
    and until the last one is there the work directory keeps them all. What an earlier run published there and this one
    does not is removed; files of others stay.
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
        scratch.unlink(missing_ok=True)  # rename leaves it where both names are links to one file
    names = [str(source.relative_to(work)) for source in files]
    _clear(out, keep=names)
    seal(out, names)
    for directory in {(out / name).parent for name in names}:
        fsync(directory)
    work = work.resolve()  # what is renamed and removed is the directory itself, not a link to it
    finished = _finished(work)
    shutil.rmtree(finished, ignore_errors=True)
    os.rename(work, finished)  # at once: half a work directory must not be mistaken for a run's progress
    shutil.rmtree(finished)


def _is_published(name: Path) -> bool:
    """Whether a file of a work directory, by its name in there, is the run's or somebody's; not ours alone."""
    return name.parts[0] not in _OWN and not any(is_scratch(Path(part)) for part in name.parts)


def _clear(out: Path, keep: Iterable[str]) -> None:
    """Remove what an earlier run published there and this one did not, as far as nobody has changed it since."""
    with contextlib.suppress(DataError):  # a damaged list names nothing
        for name in sealed(out).keys() - set(keep):
            file = out / name
            if ".." not in Path(name).parts and is_as_sealed(out, name):
                file.unlink()
                with contextlib.suppress(OSError):  # somebody's files are in there, too
                    if file.parent != out:
                        file.parent.rmdir()


@contextlib.contextmanager
def publish_directory(target: Path) -> Iterator[Path]:
    """A scratch directory beside `target` whose files are renamed into it, one by one, when the block succeeds.

    Files of `target` that the block did not write stay. On an error nothing of `target` changes. What a killed process
    left of a scratch directory is removed by the next one.
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
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _differences(path: Path, digests: Mapping[str, str]) -> list[str]:
    """What `path` was made with that is not so now; nothing for an empty directory."""
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
    """The directory `path`, made if need be, locked until the block ends or the process dies."""
    make_directory(path)
    with locked(path) as is_ours:
        if not is_ours:
            raise RunError(f"{path}: another process is writing this run; wait for it or stop it{holder(path)}.")
        yield
