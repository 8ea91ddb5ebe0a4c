"""Errors a user can act on: what was found, what was expected, and the way out."""

from __future__ import annotations

import difflib
import errno
import sys
from collections.abc import Iterable


class UserError(Exception):
    """Something the user gave is wrong; the command line prints the message alone and exits with 2."""

    exit_code = 2


class ConfigError(UserError):
    """A key, value, id or path of a configuration; the message names the key path."""


class DataError(UserError):
    """A data file, row or column; the message names file and row."""


class RunError(UserError):
    """A run that cannot go on (a reward that is not finite, a policy that does not reproduce its own rollout)."""

    exit_code = 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean "x"?' for the nearest of `known`, or '' where none is near."""
    near = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""


def unknown(kind: str, name: object, known: Iterable[str], where: str = "") -> str:
    """One line for an unknown name: what it is, the nearest right one, and the list of all."""
    names = sorted(str(k) for k in known)
    prefix = f"{where}: " if where else ""
    return f'{prefix}unknown {kind} "{name}".{did_you_mean(str(name), names)} Known: {", ".join(names) or "none"}.'


# Modules of optional extras -> the extra that brings them.
EXTRAS = {"bert_score": "bert", "dvclive": "dvclive", "peft": "peft", "tensorboard": "tensorboard", "wandb": "wandb"}


def report(error: Exception) -> int:
    """Print one line on stderr; the exit code. Raises `error` again where it is a defect of ours, traceback and all."""
    known = error if isinstance(error, UserError) else explain(error)
    if known is None:
        raise error
    print(f"error: {' '.join(str(known).splitlines())}", file=sys.stderr)
    return known.exit_code


def explain(error: BaseException) -> UserError | None:
    """What a disk, a permission, a missing package or a full memory did, with the way out; None for anything else."""
    if isinstance(error, ImportError) and error.name and not error.name.startswith("rl4lms"):
        package = error.name.partition(".")[0]
        extra = EXTRAS.get(package)
        install = f"pip install 'rl4lms-grue[{extra}]'" if extra else "make env installs what the project needs"
        return ConfigError(f"the package {package} cannot be imported ({error}); {install}.")
    said = str(error)
    full = "No space left on device" in said or "Disk quota exceeded" in said or "os error 28" in said
    if full or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        return RunError(f"the disk is full{where}; make room and give the same command again, which resumes.")
    if isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return RunError(f"{error.filename}: {error.strerror}; write elsewhere, or change its permissions.")
    if isinstance(error, OSError) and error.filename:
        return RunError(f"{error.filename}: {error.strerror}.")
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return RunError(f"out of memory ({said.splitlines()[0] if said else 'no more to be had'}); lower a batch size.")
    return None
