"""Keeps a terminal's signals from the processes that a run starts: only the main process handles them."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

_OF_A_TERMINAL = (signal.SIGINT, signal.SIGHUP)


@contextlib.contextmanager
def children_without_ctrl_c() -> Iterator[None]:
    """Processes that are started in the block ignore Ctrl-C, because the run needs them until it has saved.

    They inherit the blocked signals. A signal that arrives meanwhile reaches this process at the end of the block.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_A_TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
