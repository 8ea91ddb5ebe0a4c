"""Calling a reward function that somebody else wrote: as any component, and it may not hang."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

from rl4lms.core.errors import RunError
from rl4lms.core.guard import guarded
from rl4lms.rewards.base import reward_name

AGAIN_S = 1.0  # a function that swallows the interruption gets another one
STEP_ERROR = "error"  # where the info of an environment's step, in a process of its own, tells what its reward raised


@contextlib.contextmanager
def reward_call(reward: object, timeout_s: float | None = None) -> Iterator[None]:
    """`guarded`, around one call, and RunError after `timeout_s` seconds.

    The time limit holds in the main thread and interrupts Python code; a function that hangs in C needs
    `env.n_reward_workers`, whose processes are killed.
    """
    with guarded(f"reward {reward_name(reward)}"):
        if timeout_s is None:
            yield
        else:
            with _time_limit(reward, timeout_s):
                yield


def timed_out(reward: object, timeout_s: float) -> str:
    return (
        f"reward {reward_name(reward)}: no answer within env.reward_timeout_s, {timeout_s:g} s; make it faster or "
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
    if late:  # it went on, and answered after all
        raise RunError(timed_out(reward, timeout_s))
