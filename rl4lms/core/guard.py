"""Calling code that somebody else wrote: whatever it does ends in one line that names it and changes nothing here."""

from __future__ import annotations

import contextlib
import copy
import mmap
import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from rl4lms.core.errors import RunError, UserError, explain, foreign_frames, innermost, is_interruption, place, told

# Shared with every process that is forked from this one: 1 once a forked process has returned from a guarded call.
_came_back = mmap.mmap(-1, 1)


@contextlib.contextmanager
def guarded(what: str) -> Iterator[None]:
    """Around one call of a component. what: "reward toxicity", for the message.

    Raises RunError for whatever the component raises, SystemExit and KeyboardInterrupt of its own among it. A
    UserError, Ctrl-C and the end that a signal asked for pass. A process that the component has forked ends here, for
    it would go on as a second copy of the run: quietly where it exits, as an error of both where it returns.
    """
    process = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != process:
            _end_child(what, error)
        if isinstance(error, UserError) or is_interruption(error):
            raise
        raise RunError(raised(what, error)) from error
    if os.getpid() != process:
        _end_child(what, None)
    if _came_back[0]:
        _came_back[0] = 0
        raise RunError(f"{what}: a process that it forked returned from the call; end it there with os._exit(0).")


def raised(what: str, error: BaseException) -> str:
    """One line: the component, the exception or what it means, and the innermost line of the component's own code."""
    known, said = explain(error), told(error)
    kind = f"raised {type(error).__name__}{f' ({said})' if said else ''}"
    frame = next(reversed(foreign_frames(error)), innermost(error))
    return f"{what}: {str(known).rstrip('.') if known else kind}{place(frame) if frame else ''}."


def _end_child(what: str, error: BaseException | None) -> NoReturn:
    """Leave a forked process without running anything that belongs to the one it was forked from."""
    code = 1
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    else:
        _came_back[0] = 1
        if error is not None and sys.stderr is not None:
            print(f"in a process that it forked, {raised(what, error)}", file=sys.stderr, flush=True)
    os._exit(code)


def name_of(component: object) -> str:
    """What a component calls itself, or its class."""
    try:
        return str(getattr(component, "name", None) or type(component).__name__)
    except Exception:  # a property of its own
        return type(component).__name__


def copied(value: Any) -> Any:
    """A deep copy for a component, which may change what it is given; what cannot be copied is shared."""
    kind = type(value)
    if kind in (str, int, float, bool, bytes, type(None)):
        return value
    if kind is dict:
        return {key: copied(item) for key, item in value.items()}
    if kind in (list, tuple):
        return kind([copied(item) for item in value])
    try:
        return copy.deepcopy(value)
    except Exception:  # an open file, a lock, a tensor with a history
        return value
