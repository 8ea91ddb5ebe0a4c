"""Signals that end a run (a scheduler's SIGTERM, Ctrl-C, a terminal that closes): save, then leave as they say."""

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
    """While the block runs these signals are noted instead of obeyed; the loop inside asks between two updates.

    A second Ctrl-C is obeyed at once. A signal that the process was started to ignore (nohup) stays ignored.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        return self.signal is not None

    @property
    def reason(self) -> str:
        """What asked for the end: "SIGTERM", "Ctrl-C"; another process of the launch may have been told alone."""
        name = (self.signal or signal.SIGTERM).name
        return "Ctrl-C" if name == "SIGINT" else name

    def __enter__(self) -> Preemption:
        try:
            for each in SIGNALS:
                if signal.getsignal(each) is not signal.SIG_IGN:
                    self._previous[each] = signal.signal(each, self._note)
        except ValueError:  # not in the main thread: whoever runs us handles signals
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
            with contextlib.suppress(OSError, ValueError, AttributeError):  # there may be no terminal any more
                print("Ctrl-C: saving after this update; once more ends it at once.", file=sys.stderr, flush=True)

    def leave(self) -> NoReturn:
        """End the process with 128 + the signal's number; what it is to continue from has been saved."""
        if self.signal is signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + (self.signal or signal.SIGTERM))
