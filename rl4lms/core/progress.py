"""Holds how far this process is. Working code sets it by the functions below; `progress_view` shows it.

Setting it only assigns values: it uses no random numbers and writes no files, so it cannot change results.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rl4lms.core.errors import safe_for_terminal
from rl4lms.core.result_keys import REWARD

N_HISTORY = 400
LONGEST_TEXT = 400  # characters that are kept of a text


@dataclass(frozen=True)
class Count:
    """`done` of `total` units of `name`; a total of 0 means unknown."""

    name: str = ""
    done: int = 0
    total: int = 0

    def __str__(self) -> str:
        if self.total:
            return f"{self.name} {self.done}/{self.total}"
        return f"{self.name} {self.done}" if self.done else self.name


@dataclass(frozen=True)
class ShownSample:
    """A text that the model wrote in the latest evaluation, and the one before training, if it is known."""

    prompt: str
    before: str | None
    now: str


@dataclass
class State:
    """Everything that is shown of a run. Times are those of `time.monotonic`.

    whole: the run's progress; share: how much of the run is done. The remaining time follows from its pace since
    `first_at`, when it was `first`.
    phase, detail: what happens now, and how far it is. numbers: the latest measured numbers by name; history: earlier
    values of the first of them. parts: the latest mean of each reward of a weighted sum. scores: split -> metric ->
    its latest value, and how much it has changed since the first evaluation. results: where they lie, once there are.
    """

    title: str = ""
    started_at: float = 0.0
    whole: Count = Count()
    share: float = 0.0
    first: float = 0.0
    first_at: float = 0.0
    phase: Count = Count()
    detail: Count = Count()
    numbers: Mapping[str, float] = field(default_factory=dict)
    history: tuple[float, ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, tuple[float, float | None]]] = field(default_factory=dict)
    samples: tuple[ShownSample, ...] = ()
    results: str = ""

    def elapsed(self, now: float) -> float:
        return now - self.started_at

    def remaining(self, now: float) -> float | None:
        """Estimated seconds until the end; None if they are not known yet."""
        done = self.share - self.first
        return (now - self.first_at) / done * (1.0 - self.share) if done > 0 else None

    def doing(self) -> str:
        return ", ".join(str(count) for count in (self.phase, self.detail) if count.name)

    def line(self, now: float) -> str:
        """The whole state on one line, for a log."""
        parts = [str(self.whole) if self.whole.name else "", self.doing()]
        parts += [f"{name} {figure(value)}" for name, value in self.numbers.items()]
        left = self.remaining(now)
        parts += [f"{clock(self.elapsed(now))} gone", f"{clock(left)} left" if left else ""]
        text = ", ".join(part for part in parts if part)
        return f"{self.title}: {text}" if self.title else text


_state = State(started_at=time.monotonic())


def state() -> State:
    """The current state of this process."""
    return _state


def begin(title: str) -> None:
    """Reset the state and start the clock."""
    now = time.monotonic()
    vars(_state).update(vars(State(title=safe_for_terminal(title), started_at=now, first_at=now)))


def title(text: str) -> None:
    """Set the run's title."""
    _state.title = safe_for_terminal(text)


def steps(done: int, total: int, unit: str, *, spent: float = 0.0) -> None:
    """Set the run's progress. The remaining time is estimated from the pace since the first call.

    spent: the share that is used up of another budget, which may end the run before the last unit.
    """
    share = min(max(done / total if total else 0.0, spent), 1.0)
    if (unit, total) != (_state.whole.name, _state.whole.total) or share < _state.first:
        _state.first, _state.first_at = share, time.monotonic()
    _state.whole, _state.share = Count(safe_for_terminal(unit), done, total), share


def numbers(measured: Mapping[str, float]) -> None:
    """Set the latest measured numbers. The history of the first one of a run is drawn as a small curve."""
    new = {safe_for_terminal(name): value for name, value in measured.items()}
    _state.numbers = {**_state.numbers, **new}
    first = next(iter(_state.numbers))
    if first in new:
        _state.history = (*_state.history[1 - N_HISTORY :], new[first])


def parts(measured: Mapping[str, float]) -> None:
    """Set the latest mean of each reward of a weighted sum."""
    _state.parts = {safe_for_terminal(name): value for name, value in measured.items()}


def scores(split: str, measured: Mapping[str, float], first: Mapping[str, float]) -> None:
    """Set the scores of an evaluation. first: those of the run's first evaluation of the split; empty if this is it.

    Of a name only what follows the last `/` is shown. The reward comes first, its parts come last.
    """
    names = sorted(measured, key=lambda name: (name != REWARD, name.startswith(f"{REWARD}_")))
    changes = {name: measured[name] - first[name] for name in names if name in first}
    shown = {safe_for_terminal(n.rpartition("/")[2]): (measured[n], changes.get(n)) for n in names}
    _state.scores = {**_state.scores, split: shown}


def samples(written: Sequence[tuple[str, str | None, str]]) -> None:
    """Set (prompt, text before training or None, text now) of some samples of an evaluation."""
    _state.samples = tuple(
        ShownSample(
            prompt=_on_one_line(prompt[-LONGEST_TEXT:]),
            before=None if before is None else _on_one_line(before[:LONGEST_TEXT]),
            now=_on_one_line(now[:LONGEST_TEXT]),
        )
        for prompt, before, now in written
    )


def _on_one_line(text: str) -> str:
    return safe_for_terminal(" ".join(text.split()))


def results_lie(where: str) -> None:
    """Set where the results lie, as the last line that is shown."""
    _state.results = safe_for_terminal(where)


def phase(name: str, done: int = 0, total: int = 0) -> None:
    """Set what happens now, without a detail."""
    _state.phase, _state.detail = Count(safe_for_terminal(name), done, total), Count()


def detail(name: str, done: int = 0, total: int = 0) -> None:
    """Set how far the current phase is."""
    _state.detail = Count(safe_for_terminal(name), done, total)


def figure(value: float) -> str:
    """A measured number in short form: 1,234, 12.3, 0.0123; below 1e-5 it is 0."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-5 else "0"


def clock(seconds: float) -> str:
    """A duration as 0:07, 1:23 or 2:03:04."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
