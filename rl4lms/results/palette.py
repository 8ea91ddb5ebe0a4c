"""How a method is drawn, everywhere alike: its colour on a light and on a dark page, its line and its marker.

A hue and a marker belong to an algorithm. What starts from the base model is light, dashed and hollow; what starts from
the warm start is strong, solid and filled. So nothing is told by colour only. There are six hues and seven markers:
within a family, whose panel is its own, both differ, and across families their pair does. Where six algorithms or fewer
of several families stand together, those whose hue or marker is taken get a free one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rl4lms.config.compose import BEST_OF_N, SUPERVISED, ZERO_SHOT, algorithm_of, starting_point
from rl4lms.config.labels import FAMILIES, families

# Of an algorithm from the base model and from the warm start, each on a light page and on a dark one. Hues 255, 50,
# 345, 155, 300 and 100 of OKLCH; every colour has a contrast of at least 3 to 1 with its page. The last two are darker
# or lighter than the others, for who sees purple as blue and olive as orange.
_HUES = (
    (("#3792fd", "#87bafd"), ("#004182", "#0278e7")),
    (("#e16c10", "#fe9b61"), ("#6b2f01", "#be5a0a")),
    (("#df58ac", "#fe8acf"), ("#770255", "#c63895")),
    (("#04aa62", "#13d97f"), ("#07502c", "#0e9254")),
    (("#955be3", "#b688fe"), ("#7233bb", "#8347cf")),
    (("#7e6f08", "#fee650"), ("#362e00", "#d7bf0a")),
)
_MARKERS = ("o", "D", "^", "v", "P", "X", "p")  # one more than hues: what shares a hue has another marker
# The same markers on a page, in a box of 12 by 12 around the origin.
MARKER_PATHS = {
    "o": "M4 0A4 4 0 1 1 -4 0A4 4 0 1 1 4 0Z",
    "s": "M-3.5 -3.5H3.5V3.5H-3.5Z",
    "D": "M0 -5L5 0L0 5L-5 0Z",
    "^": "M0 -4.5L4.5 4H-4.5Z",
    "v": "M0 4.5L4.5 -4H-4.5Z",
    "P": "M-1.7 -5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7Z",
    "X": "M0 -2L2.5 -4.5L4.5 -2.5L2 0L4.5 2.5L2.5 4.5L0 2L-2.5 4.5L-4.5 2.5L-2 0L-4.5 -2.5L-2.5 -4.5Z",
    "p": "M0 -4.8L4.6 -1.5L2.8 3.9H-2.8L-4.6 -1.5Z",
    "*": "M0 -5.5L1.3 -1.7H5.2L2.1 0.7L3.2 4.4L0 2.1L-3.2 4.4L-2.1 0.7L-5.2 -1.7H-1.3Z",
}
_KNOWN = tuple(name for family in FAMILIES.values() for name in family)
_BASELINES = {  # neutral, each of its own lightness
    ZERO_SHOT: ("#7b8591", "#98a2ae", ":", "s", False),
    SUPERVISED: ("#1d2127", "#e4e7eb", ":", "s", True),
    BEST_OF_N: ("#4e5661", "#bfc6ce", "-.", "*", True),
}


CROWD = 2 * len(_HUES)  # methods with RL of which a panel can hold no more: hues would repeat


@dataclass(frozen=True)
class Style:
    """colour: on a light page; dark: on a dark one; line: as matplotlib writes it."""

    colour: str
    dark: str
    line: str
    marker: str
    filled: bool


def styles(methods: Sequence[str]) -> dict[str, Style]:
    """The style of every method of a suite. A user's algorithm takes the hue and marker that it has the least of.

    Of as many algorithms as there are hues, or fewer, none shares its hue or its marker with another.
    """
    algorithms = dict.fromkeys(algorithm for method in methods if (algorithm := algorithm_of(method)) is not None)
    n_looks = len(_HUES) * len(_MARKERS)  # the two numbers have no common divisor: each pair is a slot's
    slots: dict[str, int] = {}
    for own, name in enumerate(_KNOWN):
        if name in algorithms:
            taken, few = [*slots.values()], len(algorithms) <= len(_HUES)
            slots[name] = min(range(n_looks), key=lambda slot: _change(slot, own, taken)) if few else own
    for name in algorithms:
        taken = list(slots.values())
        free = [slot for slot in range(len(_KNOWN), len(_KNOWN) + n_looks + len(algorithms)) if slot not in taken]
        slots.setdefault(name, min(free, key=lambda slot: _n_alike(slot, taken)))
    return {method: _style(method, slots) for method in methods}


def _change(slot: int, own: int, taken: Sequence[int]) -> tuple[int, ...]:
    """How far this slot is from what an algorithm should have: like nobody else's, then like its own."""
    return *_n_alike(slot, taken), 2 - _n_alike(slot, [own])[0] - _n_alike(slot, [own])[1]


def _n_alike(slot: int, taken: Sequence[int]) -> tuple[int, int]:
    """How many have this slot's hue, and how many its marker."""
    hue, marker = (sum(slot % n == other % n for other in taken) for n in (len(_HUES), len(_MARKERS)))
    return hue, marker


def panel_groups(rl_methods: Sequence[str]) -> dict[str, list[str]]:
    """Family -> the methods that share a panel; all of them under "" where they are no crowd."""
    groups = families(rl_methods)
    return groups if len(rl_methods) > CROWD and len(groups) > 1 else {"": list(rl_methods)}


def line_styles(n: int) -> list[Style]:
    """Styles of `n` curves that are not methods: six strong and solid, six light and dashed, then by other markers."""
    looks = []
    for i in range(n):
        is_light = i // len(_HUES) % 2 == 1
        name = str(i) if is_light else f"{SUPERVISED}_{i}"
        looks.append(_style(name, {str(i): i - is_light * len(_HUES)}))
    return looks


def _style(method: str, slots: Mapping[str, int]) -> Style:
    algorithm = algorithm_of(method)
    if algorithm is None:
        return Style(*_BASELINES[method])
    warm, i = starting_point(method) == SUPERVISED, slots[algorithm]
    colour, dark = _HUES[i % len(_HUES)][warm]
    return Style(colour, dark, "-" if warm else "--", _MARKERS[i % len(_MARKERS)], warm)
