"""The standard streams: there where a process was started without them, and no text in them commands a terminal."""

from __future__ import annotations

import logging
import os
import sys

from rl4lms.core.errors import plain


def keep_standard_streams() -> None:
    """Open /dev/null in place of a standard stream that was closed at the start, before a file of ours gets its number.

    What a library or a child process writes to "the error stream" would go into that file.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", errors="backslashreplace", closefd=False))


class PlainFormatter(logging.Formatter):
    """Lines of the log in which names, keys and messages of others cannot move a cursor or change a colour."""

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record))
