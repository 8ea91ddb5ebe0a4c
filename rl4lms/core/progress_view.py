"""Progress as people see it: a live view at the bottom of a terminal, plain lines in a log, nothing where quiet.

Threads of their own read `progress.state()` and write to stderr and the log alone.
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
    from rich.console import Console, RenderableType

BEAT_S = 8.0  # the longest silence of a log
REFRESH_HZ = 4
WIDTH = 78
_BARS = "▁▂▃▄▅▆▇█"

# Lines that a live view says better: they go to log files, and to stderr where it is no terminal.
lines = logging.getLogger("rl4lms.progress")


@contextlib.contextmanager
def shown(title: str, *, quiet: bool = False, beat_s: float = BEAT_S) -> Iterator[None]:
    """Show this process's progress while the block runs: on a terminal live, unless quiet; to `lines` whenever nothing
    else has been logged for `beat_s`. Of the processes of a launch the first alone is shown."""
    progress.begin(title)
    if launch_rank() > 0:
        yield
        return
    with _heartbeat(beat_s), _live() if not quiet and is_terminal() else contextlib.nullcontext():
        yield


def is_terminal() -> bool:
    """Whether stderr is a terminal that can move its cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in ("", "dumb", "unknown")


class _LastRecord(logging.Handler):
    """Knows when something was last logged."""

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
                last.at = now  # also where the level keeps the line from the handlers
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
    """The log's lines go above the view, those of `lines` nowhere. After an error the view is gone, so that the error
    stands alone; else its last state stays."""
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
            handler.setStream(sys.stderr)  # rich's, which prints above the view
            undo.callback(handler.setStream, stderr)
            handler.addFilter(_not_progress)
            undo.callback(handler.removeFilter, _not_progress)
        yield
    _print_last(console)


def _not_progress(record: logging.LogRecord) -> bool:
    return record.name != lines.name


def _print_last(console: Console) -> None:
    progress.phase("")
    console.print(view())


def view() -> RenderableType:
    """The state as it is now, four lines of at most WIDTH columns."""
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
        said = Text(no_wrap=True, overflow="ellipsis")
        for i, (name, value) in enumerate(state.numbers.items()):
            said.append(f"{name} ", style="dim")
            said.append(f"{progress.figure(value)} ", style="cyan")
            said.append(f"{sparkline(state.history)}  " if i == 0 else "  ")
        rows.append(said)
    if state.doing():
        rows.append(Text(state.doing(), style="dim", no_wrap=True, overflow="ellipsis"))
    return Group(*rows)


def sparkline(values: tuple[float, ...], width: int = 24) -> str:
    """First to last as bars, low to high; more values than `width` are averaged. Nothing for a single value."""
    if len(values) < 2:
        return ""
    n = min(width, len(values))
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(i * len(values) // n for i in range(n + 1))]
    low, high = min(means), max(means)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((mean - low) * scale)] for mean in means)
