"""How a method is drawn, everywhere alike: its colour on a light and on a dark page, its line and its marker.

A hue and a marker belong to an algorithm. What starts from the base model is light, dashed and hollow; what starts from
the warm start is strong, solid and filled. So nothing is told by colour only, and a dozen methods stay apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rl4lms.config.compose import SUPERVISED, ZERO_SHOT, algorithm_of, starting_point

# Of an algorithm from the base model and from the warm start, each on a light page and on a dark one. Hues 255, 50,
# 345, 155, 300 and 100 of OKLCH; every colour has a contrast of at least 3 to 1 with its page.
_HUES = (
    (("#3792fd", "#87bafd"), ("#004182", "#0278e7")),
    (("#e16c10", "#fe9b61"), ("#6b2f01", "#be5a0a")),
    (("#df58ac", "#fe8acf"), ("#770255", "#c63895")),
    (("#04aa62", "#13d97f"), ("#07502c", "#0e9254")),
    (("#a670f3", "#c4a4fe"), ("#531d8d", "#8f54dc")),
    (("#a6930b", "#d0b80e"), ("#584e05", "#8b7b02")),
)
_MARKERS = ("o", "D", "^", "v", "P", "X", "p")  # one more than hues: what shares a hue has another marker
_KNOWN = ("ppo", "nlpo", "a2c", "trpo")


@dataclass(frozen=True)
class Style:
    """colour: on a light page; dark: on a dark one; line: as matplotlib writes it."""

    colour: str
    dark: str
    line: str
    marker: str
    filled: bool


def styles(methods: Sequence[str]) -> dict[str, Style]:
    """The style of every method of a suite. An algorithm without a hue of its own takes the next, in their order."""
    algorithms = [algorithm for method in methods if (algorithm := algorithm_of(method)) is not None]
    order = list(dict.fromkeys((*_KNOWN, *algorithms)))
    return {method: _style(method, order) for method in methods}


def line_styles(n: int) -> list[Style]:
    """Styles of `n` curves that are not methods, strong and solid."""
    algorithms = [f"{SUPERVISED}_{i}" for i in range(n)]
    return [_style(name, [str(i) for i in range(n)]) for name in algorithms]


def _style(method: str, algorithms: Sequence[str]) -> Style:
    if method == ZERO_SHOT:
        return Style("#7b8591", "#98a2ae", ":", "s", False)
    if method == SUPERVISED:
        return Style("#1d2127", "#e4e7eb", ":", "s", True)
    warm, i = starting_point(method) == SUPERVISED, algorithms.index(algorithm_of(method) or method)
    colour, dark = _HUES[i % len(_HUES)][warm]
    return Style(colour, dark, "-" if warm else "--", _MARKERS[i % len(_MARKERS)], warm)
