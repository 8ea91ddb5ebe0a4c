"""One writer a directory: the system's lock of it, or a file that names its owner where the file system has no locks.

Either ends with the process that took it: the system drops its lock, and an owner that is dead on this host is taken
over. Of an owner on another host nobody here can tell.
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
_SETTLE_S = 0.05  # in which another process that took over the same dead owner's file is seen
_held: set[int] = set()  # descriptors of locks; a forked child must not keep them after its parent is gone


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
        except OSError as error:  # ENOLCK, ENOTSUP and others, by the file system
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
    """What is known of the process that holds a directory, for the line that says so; '' where the system locks it."""
    path = Path(directory) / OWNER
    found = _read(path)
    if found is None:
        return ""
    return (
        f", process {found['pid']} on {found['host']} by {path}; where that one no longer runs, delete the file and "
        "give the same command again"
    )


def _owns(path: Path) -> bool:
    """Whether this process has made the owner file, in the place of a dead process's where there is one."""
    own = _this_process()
    scratch = path.with_name(f".{path.name}.own.{own['host']}.{os.getpid()}{SCRATCH}")
    scratch.write_text(json.dumps(own), encoding="utf-8")  # appears whole: half a file would be nobody's for ever
    try:
        for _ in range(3):
            try:
                _appear(scratch, path)
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


def _appear(scratch: Path, path: Path) -> None:
    """Raises FileExistsError where `path` is there; a file system without hard links gets the bytes instead."""
    try:
        os.link(scratch, path)
    except FileExistsError:
        raise
    except OSError:
        with open(path, "x", encoding="utf-8") as file:
            file.write(scratch.read_text(encoding="utf-8"))


def _read(path: Path) -> dict[str, Any] | None:
    """An owner file's facts; None where there is none, or none that can be read."""
    for _ in range(5):  # it is being written
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


def _this_process() -> dict[str, Any]:
    return {"host": platform.node(), "pid": os.getpid(), "started": _started(os.getpid())}


def _is_dead(found: dict[str, Any]) -> bool:
    """Whether a process is known to be gone: one of this host, whose number is free or another's by now."""
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
    """When a process began, by this boot's clock; None where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else f"{boot} {fields[18]}"
