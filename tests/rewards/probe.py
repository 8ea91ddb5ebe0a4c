"""Workers import this module, so it imports little."""

import os
import threading
import time
from typing import Any

from rl4lms.core.errors import DataError
from rl4lms.rewards.base import RewardFunction


class Speechless(BaseException):
    def __str__(self) -> str:
        raise self


class Probe(RewardFunction):
    """Reports where it ran, and fails on request."""

    def __init__(self, in_parent: bool = False) -> None:
        super().__init__()
        self.in_parent = in_parent

    def __call__(self, prev_observation: Any, action: Any, current: Any, done: bool, meta_info: Any = None) -> float:
        if meta_info == "raise":
            raise DataError("a bad row")
        if meta_info == "unpicklable":
            raise RuntimeError(threading.Lock())
        if meta_info == "die":
            os._exit(3)
        if meta_info == "exit":
            raise SystemExit(0)
        if meta_info == "speechless":
            raise Speechless
        if meta_info == "fork":
            child = os.fork()
            if child == 0:
                return -1.0
            os.waitpid(child, 0)
        if meta_info == "nan":
            return float("nan")
        if meta_info == "print":
            print("noise on standard output")
        if meta_info == "pid":
            return float(os.getpid())
        time.sleep(0.01 * (action % 3))
        return float(action)


class Big:
    """An object that counts how often it travels."""

    pickled = 0

    def __reduce__(self) -> Any:
        type(self).pickled += 1
        return (Big, ())
