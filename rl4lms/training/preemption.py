"""Handles signals that end a run (a scheduler's SIGTERM, Ctrl-C, a closed terminal): save first, then exit."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from types import TracebackType
from typing import Any, NoReturn

log = logging.getLogger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Preemption:
    """While the block runs, these signals only set `requested`, which the loop inside checks between two updates.

    A second Ctrl-C ends the run at once. A signal that is already ignored (nohup) stays ignored.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        return self.signal is not None

    @property
    def reason(self) -> str:
        """The name of the signal; "SIGTERM" if only another process of the launch has received it."""
        name = (self.signal or signal.SIGTERM).name
        return "Ctrl-C" if name == "SIGINT" else name

    def __enter__(self) -> Preemption:
        try:
            for each in SIGNALS:
                if signal.getsignal(each) is not signal.SIG_IGN:
                    self._previous[each] = signal.signal(each, self._note)
        except ValueError:  # outside the main thread no handlers can be set, and the caller handles signals
            log.debug("no signal handlers outside the main thread")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each, previous in self._previous.items():
            signal.signal(each, signal.SIG_DFL if previous is None else previous)
        self._previous.clear()

    def _note(self, number: int, *_: Any) -> None:
        again, self.signal = self.signal, signal.Signals(number)
        if number == signal.SIGINT:
            if again is not None:
                raise KeyboardInterrupt
            with contextlib.suppress(OSError, ValueError, AttributeError):  # the terminal may be gone
                print("Ctrl-C: saving after this update; once more ends it at once.", file=sys.stderr, flush=True)

    def leave(self) -> NoReturn:
        """End the process with code 128 + the signal's number. Call it after a checkpoint is saved."""
        if self.signal is signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + (self.signal or signal.SIGTERM))
