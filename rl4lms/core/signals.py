"""Processes that a run starts for itself: what a terminal signals to all of them is the first one's to answer."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

_OF_A_TERMINAL = (signal.SIGINT, signal.SIGHUP)


@contextlib.contextmanager
def children_without_ctrl_c() -> Iterator[None]:
    """Processes that are started in the block go on at Ctrl-C, for the run needs them until it has saved.

    They inherit that the signals are held back; what comes meanwhile reaches this process at the end of the block.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_A_TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
