"""Opens missing standard streams, and formats log lines so that no text in them can control a terminal."""

from __future__ import annotations

import logging
import os
import sys

from rl4lms.core.errors import safe_for_terminal


def keep_standard_streams() -> None:
    """Open /dev/null in place of each standard stream that was closed when the process started.

    Otherwise the next file that is opened gets the stream's number, and the errors of libraries and of child processes
    are written into that file.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, usually `descriptor` itself
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", errors="backslashreplace", closefd=False))


class PlainFormatter(logging.Formatter):
    """Formats log lines so that names and messages in them cannot move a cursor or change a colour."""

    def format(self, record: logging.LogRecord) -> str:
        return safe_for_terminal(super().format(record))
