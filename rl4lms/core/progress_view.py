"""Shows progress to people: a live view at the bottom of a terminal, or plain lines in a log.

Separate threads read `progress.state()`; they write only to stderr and the log.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from rl4lms.core import progress
from rl4lms.core.launch import launch_rank

if TYPE_CHECKING:
    from rich.console import RenderableType

BEAT_S = 8.0  # seconds without a line in the log after which a progress line is written
REFRESH_HZ = 4
WIDTH = 78
_BARS = "▁▂▃▄▅▆▇█"

# The logger for progress lines. A live view hides them on a terminal; log files always get them.
lines = logging.getLogger("rl4lms.progress")


@contextlib.contextmanager
def shown(title: str, *, quiet: bool = False, beat_s: float = BEAT_S) -> Iterator[None]:
    """Show this process's progress while the block runs.

    A terminal gets a live view, unless quiet. The logger `lines` gets a line whenever nothing else has been logged for
    `beat_s` seconds. Only the first process of a launch is shown.
    """
    progress.begin(title)
    if launch_rank() > 0:
        yield
        return
    with _heartbeat(beat_s), _live() if not quiet and is_terminal() else contextlib.nullcontext():
        yield


def is_terminal() -> bool:
    """Whether stderr is a terminal with a movable cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in ("", "dumb", "unknown")


class _LastRecord(logging.Handler):
    """Remembers when something was last logged."""

    def __init__(self) -> None:
        super().__init__()
        self.at = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        self.at = time.monotonic()


@contextlib.contextmanager
def _heartbeat(beat_s: float) -> Iterator[None]:
    last, stop, root = _LastRecord(), threading.Event(), logging.getLogger()

    def beat() -> None:
        while not stop.wait(max(last.at + beat_s - time.monotonic(), 0.01)):
            now = time.monotonic()
            if now - last.at >= beat_s:
                last.at = now  # set here, too, because the log level may drop the line before it reaches a handler
                lines.info("%s", progress.state().line(now))

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    root.addHandler(last)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        root.removeHandler(last)


@contextlib.contextmanager
def _live() -> Iterator[None]:
    """Show the live view while the block runs, with the lines of the log above it and without those of `lines`.

    After an error the view disappears, so that only the error is shown; otherwise its last state stays.
    """
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stderr, force_terminal=True)
    console.width = min(console.width, WIDTH)
    handlers = [h for h in logging.getLogger().handlers if getattr(h, "stream", None) is sys.stderr]
    live = Live(get_renderable=view, console=console, refresh_per_second=REFRESH_HZ, transient=True)
    stderr = sys.stderr
    with live, contextlib.ExitStack() as undo:
        for handler in handlers:
            assert isinstance(handler, logging.StreamHandler)
            handler.setStream(sys.stderr)  # rich has replaced sys.stderr by a stream that prints above the view
            undo.callback(handler.setStream, stderr)
            handler.addFilter(_not_progress)
            undo.callback(handler.removeFilter, _not_progress)
        yield
    progress.phase("")
    console.print(view())


def _not_progress(record: logging.LogRecord) -> bool:
    return record.name != lines.name


def view() -> RenderableType:
    """The current state in at most four lines of WIDTH columns."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    state, now = progress.state(), time.monotonic()
    left = state.remaining(now)
    times = f"{progress.clock(state.elapsed(now))} gone" + (f", {progress.clock(left)} left" if left else "")
    head = Table.grid(expand=True)
    head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    head.add_column(justify="right", no_wrap=True)
    head.add_row(Text(state.title, style="bold"), Text(times, style="dim"))
    rows: list[RenderableType] = [head]
    if state.whole.total:
        bar = Table.grid(padding=(0, 1))
        share = f"{100 * state.whole.done // state.whole.total} %"
        bar.add_row(Text(str(state.whole)), ProgressBar(state.whole.total, state.whole.done, width=36), share)
        rows.append(bar)
    if state.numbers:
        numbers = Text(no_wrap=True, overflow="ellipsis")
        for i, (name, value) in enumerate(state.numbers.items()):
            numbers.append(f"{name} ", style="dim")
            numbers.append(f"{progress.figure(value)} ", style="cyan")
            numbers.append(f"{sparkline(state.history)}  " if i == 0 else "  ")
        rows.append(numbers)
    if state.doing():
        rows.append(Text(state.doing(), style="dim", no_wrap=True, overflow="ellipsis"))
    return Group(*rows)


def sparkline(values: tuple[float, ...], width: int = 24) -> str:
    """The values as a row of bars; if there are more than `width`, neighbours are averaged. '' for fewer than two."""
    if len(values) < 2:
        return ""
    n = min(width, len(values))
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(i * len(values) // n for i in range(n + 1))]
    low, high = min(means), max(means)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((mean - low) * scale)] for mean in means)
