"""SIGTERM, which a scheduler sends before it takes a machine away: save, then leave with the code that says so."""

from __future__ import annotations

import logging
import signal
from types import TracebackType
from typing import Any, NoReturn

log = logging.getLogger(__name__)
PREEMPTED = 143  # 128 + SIGTERM: what a scheduler reads as "continue me"


class Preemption:
    """While the block runs SIGTERM is noted instead of obeyed; the loop inside asks `requested` between two updates."""

    def __init__(self) -> None:
        self.requested = False
        self._previous: Any = None

    def __enter__(self) -> Preemption:
        try:
            self._previous = signal.signal(signal.SIGTERM, self._note)
        except ValueError:  # not in the main thread: whoever runs us handles signals
            log.debug("no SIGTERM handler outside the main thread")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)

    def _note(self, *_: Any) -> None:
        self.requested = True

    @staticmethod
    def leave() -> NoReturn:
        """End the process; what it is to continue from has been saved."""
        raise SystemExit(PREEMPTED)
