"""Calling a reward function that somebody else wrote: what it raises is told in one line, and it may not hang."""

from __future__ import annotations

import contextlib
import signal
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from rl4lms.core.errors import RunError, UserError
from rl4lms.rewards.base import reward_name

AGAIN_S = 1.0  # a function that swallows the interruption gets another one


@contextlib.contextmanager
def guarded(reward: object, timeout_s: float | None = None) -> Iterator[None]:
    """Around one call. Raises RunError for whatever the function raises, and after `timeout_s` seconds.

    The time limit holds in the main thread and interrupts Python code; a function that hangs in C needs
    `env.n_reward_workers`, whose processes are killed.
    """
    try:
        with contextlib.nullcontext() if timeout_s is None else _time_limit(reward, timeout_s):
            yield
    except UserError:
        raise
    except Exception as error:
        raise RunError(raised(reward, error)) from error


def raised(reward: object, error: BaseException) -> str:
    """One line: the reward, the exception, and the innermost line of code."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f", at {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    said = " ".join(str(error).split())
    return f"reward {reward_name(reward)}: raised {type(error).__name__}{f' ({said})' if said else ''}{place}."


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
