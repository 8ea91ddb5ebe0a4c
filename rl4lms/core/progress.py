"""What this process is doing, as the working code states it while it works.

To state it is an assignment, whether anyone looks or not: it draws from no generator and writes nowhere, so results are
the same. Who looks is `progress_view`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from rl4lms.core.errors import plain

N_HISTORY = 400


@dataclass(frozen=True)
class Count:
    """`done` of `total` of something; a total of 0 is not known."""

    name: str = ""
    done: int = 0
    total: int = 0

    def __str__(self) -> str:
        if self.total:
            return f"{self.name} {self.done}/{self.total}"
        return f"{self.name} {self.done}" if self.done else self.name


@dataclass
class State:
    """title: of the run. whole: what the remaining time is of, counted since `first` was done at `first_at`. phase and
    detail: what happens now. numbers: the last ones said; history: of the first of them. Times: `time.monotonic`."""

    title: str = ""
    started_at: float = 0.0
    whole: Count = Count()
    first: int = 0
    first_at: float = 0.0
    phase: Count = Count()
    detail: Count = Count()
    numbers: Mapping[str, float] = field(default_factory=dict)
    history: tuple[float, ...] = ()

    def elapsed(self, now: float) -> float:
        return now - self.started_at

    def remaining(self, now: float) -> float | None:
        """Seconds, at the pace since `first`; None where that is not known yet."""
        done = self.whole.done - self.first
        if done <= 0 or not self.whole.total:
            return None
        return max((now - self.first_at) / done * (self.whole.total - self.whole.done), 0.0)

    def doing(self) -> str:
        return ", ".join(str(count) for count in (self.phase, self.detail) if count.name)

    def line(self, now: float) -> str:
        """All of it on one line."""
        parts = [str(self.whole) if self.whole.name else "", self.doing()]
        parts += [f"{name} {figure(value)}" for name, value in self.numbers.items()]
        left = self.remaining(now)
        parts += [f"{clock(self.elapsed(now))} gone", f"{clock(left)} left" if left else ""]
        said = ", ".join(part for part in parts if part)
        return f"{self.title}: {said}" if self.title else said


_state = State(started_at=time.monotonic())


def state() -> State:
    """What was stated last."""
    return _state


def begin(title: str) -> None:
    """Forget all and start the clock."""
    now = time.monotonic()
    vars(_state).update(vars(State(title=plain(title), started_at=now, first_at=now)))


def title(text: str) -> None:
    _state.title = plain(text)


def steps(done: int, total: int, unit: str) -> None:
    """`done` of `total` units of the whole are done. The clock for what remains starts at the first call."""
    if (unit, total) != (_state.whole.name, _state.whole.total) or done < _state.first:
        _state.first, _state.first_at = done, time.monotonic()
    _state.whole = Count(plain(unit), done, total)


def numbers(said: Mapping[str, float]) -> None:
    """What has just been measured, by name. The first number that a run says is the one whose history is drawn."""
    new = {plain(name): value for name, value in said.items()}
    _state.numbers = {**_state.numbers, **new}
    first = next(iter(_state.numbers))
    if first in new:
        _state.history = (*_state.history[1 - N_HISTORY :], new[first])


def phase(name: str, done: int = 0, total: int = 0) -> None:
    """What happens now; ends the last phase's detail."""
    _state.phase, _state.detail = Count(plain(name), done, total), Count()


def detail(name: str, done: int = 0, total: int = 0) -> None:
    """How far the phase is, in units of its own."""
    _state.detail = Count(plain(name), done, total)


def figure(value: float) -> str:
    """A measured number, short: 1,234, 12.3, 0.0123, and 0 for what is as good as that."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-5 else "0"


def clock(seconds: float) -> str:
    """0:07, 1:23, 2:03:04."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
