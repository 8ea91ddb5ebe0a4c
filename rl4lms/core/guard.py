"""Calls to components that a user may have written (rewards, metrics, pools): their errors name the component."""

from __future__ import annotations

import contextlib
import copy
import mmap
import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from rl4lms.core.errors import (
    RunError,
    UserError,
    explain,
    foreign_frames,
    innermost,
    is_interruption,
    place,
    raised_text,
)

# One byte in memory shared with forked processes: 1 after one of them has returned from a guarded call.
_came_back = mmap.mmap(-1, 1)


@contextlib.contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn whatever a component raises in the block into a RunError. what: its name for the message, "reward toxicity".

    SystemExit and KeyboardInterrupt that the component raises itself are turned, too. A UserError, Ctrl-C and an exit
    that a signal asked for pass unchanged. A process that the component has forked ends here, because it would go on as
    a second copy of the run. If it returned from the call instead of exiting, that is an error in both processes.
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
    """One line: the component, the exception or its explanation, and the innermost line of the component's code."""
    known = explain(error)
    frame = next(reversed(foreign_frames(error)), innermost(error))
    return f"{what}: {str(known).rstrip('.') if known else raised_text(error)}{place(frame) if frame else ''}."


def _end_child(what: str, error: BaseException | None) -> NoReturn:
    """End a forked process without running the exit handlers and `finally` blocks of its parent."""
    code = 1
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    else:
        _came_back[0] = 1
        if error is not None and sys.stderr is not None:
            print(f"in a process that it forked, {raised(what, error)}", file=sys.stderr, flush=True)
    os._exit(code)


def name_of(component: object) -> str:
    """A component's `name`, or that of its class."""
    try:
        return str(getattr(component, "name", None) or type(component).__name__)
    except Exception:  # `name` may be a property that raises
        return type(component).__name__


def copied(value: Any) -> Any:
    """A deep copy to give to a component, which may change it. What cannot be copied is shared."""
    kind = type(value)
    if kind in (str, int, float, bool, bytes, type(None)):
        return value
    if kind is dict:
        return {key: copied(item) for key, item in value.items()}
    if kind in (list, tuple):
        return kind([copied(item) for item in value])
    try:
        return copy.deepcopy(value)
    except Exception:  # for example an open file, a lock or a tensor with a gradient history
        return value
