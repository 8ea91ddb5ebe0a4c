"""Guards a call of a reward function, which a user may have written, against exceptions and endless computation."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

from rl4lms.core.errors import RunError
from rl4lms.core.guard import guarded, name_of

AGAIN_S = 1.0  # seconds after which a function that has caught the interruption is interrupted again
STEP_ERROR = "error"  # key of a step's info with the error of a reward in an environment's process


@contextlib.contextmanager
def reward_call(reward: object, timeout_s: float | None = None) -> Iterator[None]:
    """`guarded` for one call, which also raises RunError after `timeout_s` seconds.

    The time limit works in the main thread and for Python code. For a function that hangs in C code, use
    `env.n_reward_workers`: worker processes are killed.
    """
    with guarded(f"reward {name_of(reward)}"):
        if timeout_s is None:
            yield
        else:
            with _time_limit(reward, timeout_s):
                yield


def timed_out(reward: object, timeout_s: float) -> str:
    return (
        f"reward {name_of(reward)}: no answer within env.reward_timeout_s, {timeout_s:g} s; make it faster or "
        "raise the limit. The same command goes on from the last checkpoint."
    )


@contextlib.contextmanager
def _time_limit(reward: object, timeout_s: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    late = False

    def interrupt(*_: Any) -> NoReturn:
        nonlocal late
        late = True
        raise RunError(timed_out(reward, timeout_s))

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, timeout_s, AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)
    if late:  # the function has caught the interruption and returned
        raise RunError(timed_out(reward, timeout_s))
