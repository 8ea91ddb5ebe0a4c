"""Charts of the report as inline SVG: equal bytes for equal input, and colours that follow the page, light or dark.

A series is drawn in `var(--m<slot>)`, a method's place in the suite; the starting point is told by line and marker too:
dashed and hollow from the base model, solid and filled from the warm start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from rl4lms.config.compose import SUPERVISED, ZERO_SHOT, algorithm_of, starting_point

# On a light and on a dark page, from the base model and from the warm start: 3 to 1 against the page, told apart by the
# colour-blind within a page (after Okabe and Ito 2008).
_PALETTE = {
    "ppo": (("#b36b00", "#f0b429"), ("#0067a5", "#5eb3e4")),
    "nlpo": (("#c4490a", "#ff8f57"), ("#007f5c", "#3ecfa0")),
    "a2c": (("#b5528a", "#e79ac4"), ("#7d1d4f", "#d9739f")),
    "trpo": (("#2b82b5", "#8fd0f5"), ("#3c2f9e", "#9d93f0")),
}
_OTHERS = ((("#7a6a00", "#d6c94a"), ("#574a00", "#a89c3c")), (("#a14a5f", "#f0a0b0"), ("#6b2038", "#c9687f")))
_ZERO_SHOT, _SUPERVISED = ("#667085", "#98a2ae"), ("#1d2126", "#e4e7ea")

WIDTH, HEIGHT = 460, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 18, 12, 42


def palette(methods: Sequence[str]) -> list[tuple[str, str]]:
    """(colour on a light page, colour on a dark one) of every method."""
    known = [a for m in methods if (a := algorithm_of(m)) is not None and a not in _PALETTE]
    others = {name: _OTHERS[i % len(_OTHERS)] for i, name in enumerate(dict.fromkeys(known))}
    colours = []
    for method in methods:
        algorithm = algorithm_of(method)
        if algorithm is None:
            colours.append(_ZERO_SHOT if method == ZERO_SHOT else _SUPERVISED)
        else:
            colours.append((_PALETTE | others)[algorithm][is_warm(method)])
    return colours


def is_warm(method: str) -> bool:
    """Whether a method has seen references: the supervised one, and RL that starts from it."""
    return method == SUPERVISED or starting_point(method) == SUPERVISED


@dataclass(frozen=True)
class Line:
    """A curve of the method in `slot`; thin: one seed of several. name: what the pointer is told."""

    slot: int
    points: tuple[tuple[float, float], ...]
    dashed: bool
    thin: bool
    name: str


@dataclass(frozen=True)
class Dot:
    slot: int
    x: float
    y: float
    filled: bool
    name: str


def ticks(low: float, high: float, n: int = 5, whole: bool = False) -> list[float]:
    """Round numbers, about `n`, from at most `low` to at least `high`; whole: integers alone."""
    if not high > low:
        low, high = low - 0.5, high + 0.5
    raw = max((high - low) / n, float(whole))
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def number(value: float) -> str:
    """A tick's text: no more digits than it has."""
    return f"{value:.10g}" if value == 0 or 1e-4 <= abs(value) < 1e6 else f"{value:.0e}"


class _Scale:
    """From numbers to the drawing."""

    def __init__(self, values: Sequence[float], start: float, end: float, n: int, whole: bool = False) -> None:
        self.ticks = ticks(min(values), max(values), n, whole)
        self.start, self.factor = start, (end - start) / (self.ticks[-1] - self.ticks[0])

    def __call__(self, value: float) -> float:
        return self.start + (value - self.ticks[0]) * self.factor


def chart(name: str, x_label: str, y_label: str, lines: Sequence[Line], dots: Sequence[Dot] = ()) -> Markup:
    """name: what a screen reader says of the picture; the numbers themselves belong into a table beside it."""
    points = [point for line in lines for point in line.points] + [(dot.x, dot.y) for dot in dots]
    if not points:
        return Markup()
    x = _Scale([point[0] for point in points], _LEFT, WIDTH - _RIGHT, 6, all(isinstance(p[0], int) for p in points))
    y = _Scale([point[1] for point in points], HEIGHT - _BOTTOM, _TOP, 5)
    parts = [_grid(x, y), _labels(x_label, y_label)]
    parts += [_line(line, x, y) for line in sorted(lines, key=lambda line: not line.thin)]
    parts += [_dot(dot, x(dot.x), y(dot.y)) for dot in dots]
    return _svg(name, WIDTH, HEIGHT, parts)


def intervals(name: str, rows: Sequence[tuple[int, str, bool, float, float, float, str]]) -> Markup:
    """A row per (slot, label, filled, mean, low, high, text): a marker on its interval."""
    left, line, width = 140, 34, WIDTH
    x = _Scale([bound for row in rows for bound in (row[4], row[5])], left, width - 16, 5)
    height = line * len(rows) + 30
    parts = []
    for tick in x.ticks:
        parts.append(Markup('<path class="grid" d="M{0:.1f} 6V{1}"/>').format(x(tick), height - 22))
        parts.append(Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            x(tick), height - 6, number(tick)))  # fmt: skip
    for i, (slot, label, filled, mean, low, high, text) in enumerate(rows):
        y = line * i + 26
        parts.append(Markup('<text class="ink" x="{}" y="{}" text-anchor="end">{}</text>').format(
            left - 12, y + 4, label))  # fmt: skip
        parts.append(Markup('<path class="line" style="stroke:var(--m{})" d="M{:.1f} {}H{:.1f}"/>').format(
            slot, x(low), y, x(high)))  # fmt: skip
        parts.append(_dot(Dot(slot, mean, 0, filled, f"{label}: {text}"), x(mean), y))
        parts.append(Markup('<text class="ink" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            min(max(x(mean), left + 20), width - 34), y - 9, text.split(" ")[0]))  # fmt: skip
    return _svg(name, width, height, parts)


def swatch(slot: int, dashed: bool, filled: bool, dot: bool) -> Markup:
    """A method's marker, or its line, for a legend."""
    line = _line(Line(slot, ((0, 0), (1, 0)), dashed, False, ""), lambda v: 2 + 24 * v, lambda v: 7)
    drawn = _dot(Dot(slot, 0, 0, filled, ""), 14, 7) if dot else line
    return Markup('<svg class="swatch" viewBox="0 0 28 14" aria-hidden="true">{}</svg>').format(drawn)


def _svg(name: str, width: int, height: int, parts: Sequence[Markup]) -> Markup:
    head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(width, height, name)
    return head + Markup("\n").join(parts) + Markup("</svg>")


def _grid(x: _Scale, y: _Scale) -> Markup:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = []
    for tick in y.ticks:
        parts.append(Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(_LEFT, y(tick), right))
        parts.append(Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
            _LEFT - 6, y(tick) + 4, number(tick)))  # fmt: skip
    for tick in x.ticks:
        parts.append(Markup('<path class="grid" d="M{:.1f} {}V{}"/>').format(x(tick), _TOP, bottom))
        parts.append(Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            x(tick), bottom + 16, number(tick)))  # fmt: skip
    return Markup("\n").join(parts)


def _labels(x_label: str, y_label: str) -> Markup:
    middle_x, middle_y = (_LEFT + WIDTH - _RIGHT) / 2, (_TOP + HEIGHT - _BOTTOM) / 2
    across = Markup('<text class="ink" x="{:.1f}" y="{}" text-anchor="middle">{}</text>')
    up = Markup('<text class="ink" transform="translate(12 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>')
    return across.format(middle_x, HEIGHT - 6, x_label) + up.format(middle_y, y_label)


def _line(line: Line, x: Callable[[float], float], y: Callable[[float], float]) -> Markup:
    path = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in line.points)
    look = "line" + (" dashed" if line.dashed else "") + (" thin" if line.thin else "")
    return Markup('<path class="{}" style="stroke:var(--m{})" d="M{}">{}</path>').format(
        look, line.slot, path, _title(line.name)
    )


def _dot(dot: Dot, x: float, y: float) -> Markup:
    look = f"stroke:var(--m{dot.slot})" + (f";fill:var(--m{dot.slot})" if dot.filled else "")
    return Markup('<circle class="dot" style="{}" cx="{:.1f}" cy="{:.1f}" r="4">{}</circle>').format(
        look, x, y, _title(dot.name)
    )


def _title(name: str) -> Markup:
    return Markup("<title>{}</title>").format(name) if name else escape("")
