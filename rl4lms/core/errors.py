"""Errors that a user can act on: they say what was found, what was expected, and what to do."""

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
    """The user's input is wrong. The command line prints only the message and exits with code 2."""

    exit_code = 2


class ConfigError(UserError):
    """A key, value, id or path in a configuration is wrong. The message names the key path."""


class DataError(UserError):
    """A data file, row or column is wrong. The message names file and row."""


class RunError(UserError):
    """A run cannot continue, for example because a reward is not finite."""

    exit_code = 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean "x"?' with the most similar of the known names, or '' if none is similar."""
    near = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""


def unknown(kind: str, name: object, known: Iterable[str], where: str = "") -> str:
    """The error message for an unknown name: it suggests the most similar known name and lists them all."""
    names = sorted(str(k) for k in known)
    prefix = f"{where}: " if where else ""
    return f'{prefix}unknown {kind} "{name}".{did_you_mean(str(name), names)} Known: {", ".join(names) or "none"}.'


# Optional package -> the extra of rl4lms-grue that installs it.
EXTRAS = {"bert_score": "bert", "dvclive": "dvclive", "peft": "peft", "tensorboard": "tensorboard", "wandb": "wandb"}


LONGEST_LINE, LONGEST_SAID = 8_000, 500  # characters: of a whole error line, and of another library's message in it
_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def report_error(error: BaseException) -> int:
    """Print one line for `error` on stderr and return the exit code.

    An exception that has no such line is raised again: a defect of this library, with its traceback, and an exit that
    argparse or a signal asked for.
    """
    known = error if isinstance(error, UserError) else None
    if known is None and not is_interruption(error):
        known = explain(error) or _error_in_user_code(error)
    if known is None:
        raise error
    print(f"error: {message_of(known, LONGEST_LINE)}", file=sys.stderr)
    return known.exit_code


def _error_in_user_code(error: BaseException) -> RunError | None:
    """The error of a user's class or function that raised outside of a guarded call; None if no such code was run."""
    frames = foreign_frames(error, called_by_us=True)
    if not frames:
        return None
    return RunError(f"{frames[0].tb_frame.f_code.co_qualname}: {raised_text(error)}{place(frames[-1])}.")


def raised_text(error: BaseException) -> str:
    """'raised ValueError (its message)'."""
    message = message_of(error)
    return f"raised {type(error).__name__}{f' ({message})' if message else ''}"


def place(frame: TracebackType) -> str:
    return f", at {Path(frame.tb_frame.f_code.co_filename).name}, line {frame.tb_lineno}"


def is_interruption(error: BaseException) -> bool:
    """Whether a signal ended the call: Ctrl-C, or a signal handler of this library that exits.

    Python raises KeyboardInterrupt for a signal between two instructions; if code raises it itself, the innermost
    instruction is a `raise`.
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
    """The traceback entries of user code (not this package, not an installed library), outermost first.

    called_by_us: count only those that this package called, where the command line does not count as this package.
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


def message_of(error: BaseException, longest: int = LONGEST_SAID) -> str:
    """An exception's message on one line of limited length."""
    try:
        return one_line(str(error), longest)
    except BaseException:  # `__str__` may be a user's code and raise anything
        return "its message cannot be read"


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """`text` on one line, made `safe_for_terminal`, and cut after `longest` characters."""
    more = len(text) - longest
    lines = (line.strip() for line in text[:longest].splitlines())
    line = safe_for_terminal(" ".join(line for line in lines if line))
    return f"{line}... ({more:,} characters more; log.txt of a training run has them)" if more > 0 else line


def safe_for_terminal(text: str) -> str:
    """`text` with every character escaped that a terminal would obey instead of showing.

    These are control characters except the line feed, marks that change the direction of writing, and halves of
    characters. Joiners of letters and of emoji stay.
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(c: str) -> str:
    is_control = c in _DIRECTIONS or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")
    return c.encode("unicode_escape").decode() if is_control and c != "\n" else c


def explain(error: BaseException) -> UserError | None:
    """The error, with what to do, for a disk, a permission, a missing package or full memory; None for any other."""
    if isinstance(error, ImportError) and error.name and not error.name.startswith("rl4lms"):
        package = error.name.partition(".")[0]
        extra = EXTRAS.get(package)
        install = f"pip install 'rl4lms-grue[{extra}]'" if extra else "make env installs what the project needs"
        return ConfigError(f"the package {package} cannot be imported ({message_of(error)}); {install}.")
    message = message_of(error)
    full = any(phrase in message for phrase in ("No space left on device", "Disk quota exceeded", "os error 28"))
    if full or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        return RunError(f"the disk is full{where}; make room and give the same command again, which resumes.")
    if isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return RunError(f"{error.filename}: {error.strerror}; write elsewhere, or change its permissions.")
    if isinstance(error, OSError) and error.filename:
        return RunError(f"{error.filename}: {error.strerror}.")
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return RunError(f"out of memory ({message or 'no more is available'}); lower a batch size.")
    return None
