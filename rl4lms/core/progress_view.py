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
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from rl4lms.core import progress
from rl4lms.core.launch import launch_rank

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

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
    from rich.text import Text

    console = Console(file=sys.stderr, force_terminal=True)
    console.width = min(console.width, WIDTH)
    handlers = [h for h in logging.getLogger().handlers if getattr(h, "stream", None) is sys.stderr]
    live = Live(
        get_renderable=lambda: view(console.width), console=console, refresh_per_second=REFRESH_HZ, transient=True
    )
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
    console.print(view(console.width))
    if results := progress.state().results:
        console.print(Text(results), soft_wrap=True)  # so that a path can be copied as a whole


def _not_progress(record: logging.LogRecord) -> bool:
    return record.name != lines.name


def view(width: int = WIDTH) -> RenderableType:
    """The current state in lines of `width` columns: at most five of progress, two of scores and three a sample."""
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
        bar.add_row(
            Text(str(state.whole)), ProgressBar(1.0, state.share, width=36), f"{int(100 * state.share + 1e-9)} %"
        )
        rows.append(bar)
    if state.numbers:
        numbers = Text(no_wrap=True, overflow="ellipsis")
        for i, (name, value) in enumerate(state.numbers.items()):
            numbers.append(f"{name} ", style="dim")
            numbers.append(f"{progress.figure(value)} ", style="cyan")
            numbers.append(f"{sparkline(state.history)}  " if i == 0 else "  ")
        rows.append(numbers)
    if state.parts:
        rows += _in_lines("parts", [(name, progress.figure(value), "") for name, value in state.parts.items()], width)
    if state.doing():
        rows.append(Text(state.doing(), style="dim", no_wrap=True, overflow="ellipsis"))
    return Group(*rows, *_scores(state, width), *_samples(state, width))


def _scores(state: progress.State, width: int) -> Iterator[Text]:
    """The latest scores with their change, in two lines: one a split."""
    for split, found in state.scores.items():
        entries = [(name, progress.figure(value), _change(change)) for name, (value, change) in found.items()]
        yield from _in_lines(split, entries, width, 1 if len(state.scores) > 1 else 2)


def _change(change: float | None) -> str:
    if change is None:
        return ""
    size = progress.figure(abs(change))
    return f" ({'-' if change < 0 and size != '0' else '+'}{size})"


def _in_lines(label: str, entries: Sequence[tuple[str, str, str]], width: int, most: int = 1) -> list[Text]:
    """(name, value, change) side by side on at most `most` lines. Where not all of them fit, the last line says so."""
    from rich.text import Text

    lines = [Text.assemble((label, "dim"), no_wrap=True, overflow="ellipsis")]
    for name, value, change in entries:
        entry = Text.assemble((f"  {name} ", "dim"), (value, "cyan"), (change, "dim"))
        used = lines[-1].cell_len
        if used > len(label) and used + entry.cell_len > width - len(" …"):
            if len(lines) == most:
                lines[-1].append(" …")
                break
            lines.append(Text(" " * len(label), no_wrap=True, overflow="ellipsis"))
        lines[-1].append_text(entry)
    return lines


def _samples(state: progress.State, width: int) -> Iterator[Text]:
    """Each sample in three lines: the end of its prompt, the text before training, the text now."""
    from rich.text import Text

    for sample in state.samples:
        prompt = _end(sample.prompt, width - len("prompt  "))
        for label, text in (("prompt", prompt), ("before", sample.before), ("now", sample.now)):
            if text is not None:
                parts = (f"{label:8}", "dim"), (text, "italic" if label == "prompt" else "")
                yield Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _end(text: str, width: int) -> str:
    """The end of a text, in at most `width` cells of a terminal."""
    from rich.cells import cell_len

    if cell_len(text) <= width:
        return text
    end = text[-max(width, 1) :]
    while end and cell_len(end) >= width:
        end = end[1:]
    return f"…{end}"


def sparkline(values: tuple[float, ...], width: int = 24) -> str:
    """The values as a row of bars; if there are more than `width`, neighbours are averaged. '' for fewer than two."""
    if len(values) < 2:
        return ""
    n = min(width, len(values))
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(i * len(values) // n for i in range(n + 1))]
    low, high = min(means), max(means)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((mean - low) * scale)] for mean in means)
