"""Locks a directory for one writer: by `flock`, or by a file with its owner if the file system has no locks.

Both end when the process ends: the system drops the lock, and the file of an owner that is dead on this host is taken
over. Whether an owner on another host still lives cannot be known here.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rl4lms.core.io import SCRATCH, PathLike

logger = logging.getLogger(__name__)

OWNER = ".owner.json"
_SETTLE_S = 0.05  # after this wait, a takeover of the same dead owner's file by another process is visible
_held: set[int] = set()  # file descriptors of locks, which a forked child closes so as not to outlive the parent's lock


def _forget() -> None:
    for handle in _held:
        with contextlib.suppress(OSError):
            os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_forget)


@contextlib.contextmanager
def locked(directory: PathLike) -> Iterator[bool]:
    """Whether this process holds the lock of a directory, until the block ends or the process dies."""
    handle, process = os.open(directory, os.O_RDONLY), os.getpid()
    _held.add(handle)
    owner = None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError as error:  # file systems without locks raise ENOLCK, ENOTSUP or others
            logger.debug("%s: this file system has no locks (%s).", directory, error.strerror)
            owner = Path(directory) / OWNER
            if not _owns(owner):
                owner = None
                yield False
                return
        yield True
    finally:
        if os.getpid() == process:
            _held.discard(handle)
            os.close(handle)
            if owner is not None:
                owner.unlink(missing_ok=True)


def holder(directory: PathLike) -> str:
    """The owner of a directory's lock, as a part of an error message; '' if the system locks it."""
    path = Path(directory) / OWNER
    found = _read(path)
    if found is None:
        return ""
    return (
        f", process {found['pid']} on {found['host']} by {path}; if that process no longer runs, delete the file and "
        "give the same command again"
    )


def _owns(path: Path) -> bool:
    """Try to create the owner file, or to take over that of a dead process. Whether this process is now the owner."""
    own = {"host": platform.node(), "pid": os.getpid(), "started": _started(os.getpid())}
    scratch = path.with_name(f".{path.name}.own.{own['host']}.{os.getpid()}{SCRATCH}")
    scratch.write_text(json.dumps(own), encoding="utf-8")  # linked below, because half an owner file names no owner
    try:
        for _ in range(3):
            try:
                _create(path, scratch)
            except FileExistsError:
                found = _read(path)
                if found is None or not _is_dead(found):
                    return False
                aside = path.with_name(f".{path.name}.{os.getpid()}{SCRATCH}")
                with contextlib.suppress(FileNotFoundError):
                    os.rename(path, aside)
                    aside.unlink()
            else:
                time.sleep(_SETTLE_S)
                return _read(path) == own
        return False
    finally:
        scratch.unlink(missing_ok=True)


def _create(path: Path, scratch: Path) -> None:
    """Create `path` with the content of `scratch`, by a hard link if possible. Raises FileExistsError if it exists."""
    try:
        os.link(scratch, path)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links
        with open(path, "x", encoding="utf-8") as file:
            file.write(scratch.read_text(encoding="utf-8"))


def _read(path: Path) -> dict[str, Any] | None:
    """The facts in an owner file; None if there is no file."""
    for _ in range(5):  # the file may be half written
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            time.sleep(_SETTLE_S)
            continue
        if isinstance(found, dict) and {"host", "pid", "started"} <= found.keys():
            return found
        break
    return {"host": "an unknown host", "pid": "an unknown one", "started": None}


def _is_dead(found: dict[str, Any]) -> bool:
    """Whether an owner is known to be dead: it ran on this host, and its number is free or another process's now."""
    pid = found["pid"]
    if found["host"] != platform.node() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return bool(found["started"] != _started(pid))


def _started(pid: int) -> str | None:
    """When a process started, as boot id and clock ticks; None if it is dead or the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else f"{boot} {fields[18]}"
