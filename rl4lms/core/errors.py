"""Errors a user can act on: what was found, what was expected, and the way out."""

from __future__ import annotations

import difflib
import dis
import errno
import functools
import sys
import sysconfig
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType


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


LONGEST_LINE, LONGEST_SAID = 8_000, 500  # characters of an error's line, and of what a foreign exception says in it
_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def report(error: BaseException) -> int:
    """Print one line on stderr; the exit code. Raises `error` again where it is a defect of ours, traceback and all.

    An exit that argparse or a signal asked for is raised again, too: the process ends with its code.
    """
    known = error if isinstance(error, UserError) else None if is_interruption(error) else _explained(error)
    if known is None:
        raise error
    print(f"error: {told(known, LONGEST_LINE)}", file=sys.stderr)
    return known.exit_code


def _explained(error: BaseException) -> UserError | None:
    return explain(error) or _of_foreign_code(error)


def _of_foreign_code(error: BaseException) -> RunError | None:
    """What a class or function of the user's raised outside of a guarded call; None where all code is ours."""
    frames = foreign_frames(error, called_by_us=True)
    if not frames:
        return None
    said = told(error)
    kind = f"raised {type(error).__name__}{f' ({said})' if said else ''}"
    return RunError(f"{frames[0].tb_frame.f_code.co_qualname}: {kind}{place(frames[-1])}.")


def place(frame: TracebackType) -> str:
    return f", at {Path(frame.tb_frame.f_code.co_filename).name}, line {frame.tb_lineno}"


def is_interruption(error: BaseException) -> bool:
    """Whether a signal ended the call: Ctrl-C, or a handler of ours that leaves.

    Python raises KeyboardInterrupt between two instructions; one that code raises itself stands at a `raise`.
    """
    if not isinstance(error, KeyboardInterrupt | SystemExit):
        return False
    last = innermost(error)
    if last is None or str(last.tb_frame.f_globals.get("__name__", "")).startswith("rl4lms."):
        return True
    at_raise = dis.opname[last.tb_frame.f_code.co_code[last.tb_lasti]] == "RAISE_VARARGS"
    return isinstance(error, KeyboardInterrupt) and not at_raise


def innermost(error: BaseException) -> TracebackType | None:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return frame


def foreign_frames(error: BaseException, *, called_by_us: bool = False) -> list[TracebackType]:
    """The places in code that is neither ours nor a library's, from the outermost to the innermost.

    called_by_us: only those below a call by this package count, the command line apart.
    """
    frame, found, ours = error.__traceback__, [], not called_by_us
    package, *_ = _library_directories()
    while frame is not None:
        name = frame.tb_frame.f_code.co_filename
        if name.startswith(package):
            ours = ours or not name.startswith(f"{package}cli/")
        elif ours and not name.startswith(("<frozen", *_library_directories())):
            found.append(frame)
        frame = frame.tb_next
    return found


@functools.cache
def _library_directories() -> tuple[str, ...]:
    """This package's directory, then those of the standard library and of installed packages."""
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple(f"{path}/" for path in [str(Path(__file__).resolve().parents[1]), *installed])


def told(error: BaseException, longest: int = LONGEST_SAID) -> str:
    """What an exception says, on one line that is not too long, also where it cannot say it."""
    try:
        return one_line(str(error), longest)
    except BaseException:  # its __str__ is somebody else's code
        return "its message cannot be read"


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """`text` on one line, `plain`, and cut where it is longer than `longest` characters."""
    more = len(text) - longest
    lines = (line.strip() for line in text[:longest].splitlines())
    line = plain(" ".join(line for line in lines if line))
    return f"{line}... ({more:,} characters more; log.txt of a training run has them)" if more > 0 else line


def plain(text: str) -> str:
    """`text` as something that a terminal shows and does not obey.

    Control characters but for the end of a line, marks that turn the direction of writing, and halves of characters are
    written as escapes. Joiners of letters and of emoji are text.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" or not _is_control(c) else _escape(c) for c in text)


def _is_control(c: str) -> bool:
    return c in _DIRECTIONS or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")


def _escape(c: str) -> str:
    return c.encode("unicode_escape").decode()


def explain(error: BaseException) -> UserError | None:
    """What a disk, a permission, a missing package or a full memory did, with the way out; None for anything else."""
    if isinstance(error, ImportError) and error.name and not error.name.startswith("rl4lms"):
        package = error.name.partition(".")[0]
        extra = EXTRAS.get(package)
        install = f"pip install 'rl4lms-grue[{extra}]'" if extra else "make env installs what the project needs"
        return ConfigError(f"the package {package} cannot be imported ({told(error)}); {install}.")
    said = told(error)
    full = "No space left on device" in said or "Disk quota exceeded" in said or "os error 28" in said
    if full or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        return RunError(f"the disk is full{where}; make room and give the same command again, which resumes.")
    if isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return RunError(f"{error.filename}: {error.strerror}; write elsewhere, or change its permissions.")
    if isinstance(error, OSError) and error.filename:
        return RunError(f"{error.filename}: {error.strerror}.")
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return RunError(f"out of memory ({said or 'no more to be had'}); lower a batch size.")
    return None
