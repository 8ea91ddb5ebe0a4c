"""Plots of a suite: learning curves, the frontier of KL and reward, and the summary with intervals.

PNGs without metadata, equal bytes for equal input. Colours are told apart by the colour-blind (Okabe and Ito 2008, and
Tol's bright set), and the starting point by line and marker too: dashed and hollow from the base model, solid and
filled from the warm start.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rl4lms.config.compose import SUPERVISED, ZERO_SHOT, algorithm_of, starting_point
from rl4lms.config.labels import method_label, task_label
from rl4lms.core.result_keys import KL_PER_TOKEN, REWARD
from rl4lms.results.averages import naturalness_average, task_average
from rl4lms.results.bootstrap import Interval
from rl4lms.results.curves import KL_CURVE, REWARD_CURVE, Curve
from rl4lms.results.scores import SuiteScores
from rl4lms.results.table import interval_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120
_INK, _QUIET, _GRID = "#222222", "#666666", "#e3e3e3"
# From the base model, from the warm start.
_PAIRS = {
    "ppo": ("#e69f00", "#0072b2"),
    "nlpo": ("#d55e00", "#009e73"),
    "a2c": ("#cc79a7", "#882255"),
    "trpo": ("#56b4e9", "#332288"),
}
_OTHER_PAIRS = (("#bbbb22", "#776600"), ("#ee8866", "#aa4466"), ("#77aadd", "#224477"))
_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@dataclass(frozen=True)
class Style:
    """How a method is drawn, in every plot alike."""

    colour: str
    line: str
    marker: str
    filled: bool


def method_style(method: str, methods: Sequence[str]) -> Style:
    """methods: all of the suite; algorithms without colours of their own take the next pair, in that order."""
    if method == ZERO_SHOT:
        return Style("#8a8a8a", ":", "s", False)
    if method == SUPERVISED:
        return Style(_INK, ":", "s", True)
    algorithm = algorithm_of(method) or method
    others = list(dict.fromkeys(a for m in methods if (a := algorithm_of(m)) is not None and a not in _PAIRS))
    pair = _PAIRS.get(algorithm) or _OTHER_PAIRS[others.index(algorithm) % len(_OTHER_PAIRS)]
    warm = starting_point(method) == SUPERVISED
    return Style(pair[warm], "-" if warm else "--", "o", warm)


def _marker(style: Style) -> dict[str, Any]:
    face = style.colour if style.filled else "white"
    return {
        "marker": style.marker,
        "color": style.colour,
        "markerfacecolor": face,
        "markersize": 6,
        "markeredgewidth": 1.4,
    }


@contextmanager
def _figure(**kwargs: Any) -> Iterator[tuple[Figure, Any]]:
    """Axes under this module's settings; nothing global changes and no window system is asked for."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcParams.update(mpl.rcParamsDefault)
        mpl.rcParams.update(_RC)
        figure = Figure(figsize=kwargs.pop("figsize"), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.subplots(squeeze=False, **kwargs)


def _png(figure: Figure) -> bytes:
    """Without metadata or alpha channel, and with at most 256 colours."""
    from PIL import Image

    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    image = Image.open(drawn).convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    image.save(packed, format="png", optimize=True)
    return packed.getvalue()


@contextmanager
def _facets(tasks: Sequence[str]) -> Iterator[tuple[Figure, dict[str, Axes]]]:
    """A panel per task, four to a row; a panel that is left over is kept for the legend."""
    n_columns = min(4, len(tasks))
    n_rows = math.ceil(len(tasks) / n_columns)
    with _figure(figsize=(max(3.0 * n_columns, 5.0), 2.6 * n_rows + 0.5), nrows=n_rows, ncols=n_columns) as (
        figure,
        axes,
    ):
        figure.set_layout_engine("constrained", h_pad=0.08, w_pad=0.06, hspace=0.04)
        panels = dict(zip(tasks, axes.flat, strict=False))
        for axis in axes.flat[len(tasks) :]:
            axis.set_axis_off()
        for task, axis in panels.items():
            axis.set_title(task_label(task))
            axis.locator_params(nbins=5)
        yield figure, panels


def learning_curves(scores: SuiteScores, curves: Sequence[Curve]) -> bytes:
    """Mean reward of the rollouts at every iteration: a panel per task, thin lines seeds, thick lines their mean."""
    settings = scores.settings
    with _facets(settings.tasks) as (figure, panels):
        for task, axis in panels.items():
            for method in settings.rl_methods:
                _draw_curves(axis, _select(curves, task, method, REWARD_CURVE), method, settings.methods)
            axis.locator_params(axis="x", integer=True)
        figure.supxlabel("Iteration", fontsize=10, color=_INK)
        figure.supylabel("Reward of the rollouts", fontsize=10, color=_INK)
        handles = [_line_handle(method, settings.methods) for method in settings.rl_methods]
        _legend(figure, handles, "Thick: mean of seeds.\nThin: each seed.")
        return _png(figure)


def _select(curves: Sequence[Curve], task: str, method: str, metric: str) -> list[Curve]:
    return [c for c in curves if (c.task, c.method, c.metric) == (task, method, metric)]


def _draw_curves(axis: Axes, curves: Sequence[Curve], method: str, methods: Sequence[str]) -> None:
    style = method_style(method, methods)
    by_iteration: dict[int, list[float]] = {}
    for curve in curves:
        axis.plot(curve.iterations, curve.values, color=style.colour, linewidth=0.8, alpha=0.4)
        for iteration, value in curve.points:
            by_iteration.setdefault(iteration, []).append(value)
    shared = sorted(i for i, values in by_iteration.items() if len(values) == len(curves))
    means = [float(np.mean(by_iteration[i])) for i in shared]
    axis.plot(shared, means, color=style.colour, linestyle=style.line, linewidth=2.0)


def kl_reward(scores: SuiteScores, curves: Sequence[Curve]) -> bytes:
    """What reward costs in KL: rollouts of each seed as a thin path, its test score as the marker at the end."""
    settings = scores.settings
    with _facets(settings.tasks) as (figure, panels):
        for task, axis in panels.items():
            for method in settings.methods:
                _draw_frontier(axis, scores, curves, task, method)
            axis.set_xlim(left=min(0.0, axis.get_xlim()[0]))
        figure.supxlabel("KL to the starting model (nats per token)", fontsize=10, color=_INK)
        figure.supylabel("Reward", fontsize=10, color=_INK)
        handles = [_marker_handle(method, settings.methods) for method in settings.methods]
        _legend(figure, handles, "Marker: a seed's test split.\nLine: its rollouts in training.")
        return _png(figure)


def _draw_frontier(axis: Axes, scores: SuiteScores, curves: Sequence[Curve], task: str, method: str) -> None:
    style = method_style(method, scores.settings.methods)
    rewards = {c.seed: dict(c.points) for c in _select(curves, task, method, REWARD_CURVE)}
    for curve in _select(curves, task, method, KL_CURVE):
        path = [(kl, rewards[curve.seed][k]) for k, kl in curve.points if k in rewards.get(curve.seed, {})]
        axis.plot(*zip(*path, strict=True), color=style.colour, linewidth=0.8, alpha=0.5)
    kl, reward = (scores.values(task, method, metric) for metric in (KL_PER_TOKEN, REWARD))
    if kl is not None and reward is not None:
        axis.plot(kl, reward, linestyle="none", zorder=3, **_marker(style))


def summary(scores: SuiteScores) -> bytes:
    """Normalised scores averaged across tasks, task and naturalness metrics apart, with bootstrap intervals."""
    settings = scores.settings
    panels = {"Task metrics": {method: task_average(scores, method) for method in settings.methods}}
    naturalness = {m: average for m in settings.methods if (average := naturalness_average(scores, m)) is not None}
    if len(naturalness) == len(settings.methods):
        panels["Naturalness metrics"] = naturalness
    height = 0.42 * len(settings.methods) + 1.3
    with _figure(figsize=(4.4 * len(panels) + 1.0, height), ncols=len(panels), sharex=True, sharey=True) as (
        figure,
        axes,
    ):
        for axis, (title, row) in zip(axes.flat, panels.items(), strict=True):
            axis.set_title(title)
            _draw_summary(axis, row, settings.methods)
        n_tasks = len(settings.tasks)
        label = f"Normalised score, mean over {n_tasks} tasks and {settings.level:.0%} bootstrap interval"
        if not scores.settings.tells_methods_apart:
            label += f" of {len(settings.seeds)} runs each, too few to tell methods apart"
        figure.supxlabel(label, fontsize=9, color=_INK)
        return _png(figure)


def _draw_summary(axis: Axes, row: dict[str, Interval], methods: Sequence[str]) -> None:
    for y, method in enumerate(methods):
        style, interval = method_style(method, methods), row[method]
        axis.plot([interval.low, interval.high], [y, y], color=style.colour, linewidth=2.2, solid_capstyle="butt")
        axis.plot([interval.mean], [y], **_marker(style))
        text = interval_text(interval, 3)
        look: dict[str, Any] = {
            "textcoords": "offset points",
            "ha": "center",
            "va": "bottom",
            "fontsize": 8,
            "color": _INK,
        }
        axis.annotate(text, (interval.mean, y), xytext=(0, 6), **look)
    axis.set_yticks(range(len(methods)), [method_label(method) for method in methods])
    axis.tick_params(axis="y", labelcolor=_INK, length=0)
    axis.set_ylim(len(methods) - 0.5, -0.7)
    axis.margins(x=0.2)
    axis.grid(visible=False, axis="y")
    axis.spines["left"].set_visible(False)


def _line_handle(method: str, methods: Sequence[str]) -> Any:
    from matplotlib.lines import Line2D

    style = method_style(method, methods)
    look: dict[str, Any] = {"color": style.colour, "linestyle": style.line, "linewidth": 2.0}
    return Line2D([], [], label=method_label(method), **look)


def _marker_handle(method: str, methods: Sequence[str]) -> Any:
    from matplotlib.lines import Line2D

    style = method_style(method, methods)
    return Line2D([], [], label=method_label(method), linestyle="none", **_marker(style))


def _legend(figure: Figure, handles: list[Any], how_to_read: str) -> None:
    """In the panel that is left over, with a line on how to read the plot, or above the panels where there is none."""
    spare = next((axis for axis in figure.axes if not axis.axison), None)
    if spare is None:
        title = how_to_read.replace("\n", " ")
        figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 5), title=title)
    else:
        spare.legend(handles=handles, loc="center left", handlelength=2.6, title=how_to_read, alignment="left")
