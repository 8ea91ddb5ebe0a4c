"""Figures of finished runs: learning curves, the price of reward in KL, and averages with their intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter
from numpy.typing import ArrayLike

from rl4lms.config.compose import BEST_OF_N, algorithm_of
from rl4lms.config.labels import families, method_label, task_label
from rl4lms.core.result_keys import KL_PER_TOKEN, REWARD
from rl4lms.results.averages import average_intervals
from rl4lms.results.curves import AXIS_LABELS, BY, KL_CURVE, REWARD_CURVE, seeds_mean
from rl4lms.results.drawing import (
    INK,
    QUIET,
    SMALL,
    Drawing,
    curve_look,
    drawing_settings,
    legend_handle,
    line_look,
    marker_look,
    new_drawing,
    panel,
)
from rl4lms.results.palette import Style, panel_groups, styles
from rl4lms.results.scores import SuiteScores
from rl4lms.results.statistics import Floats, Interval
from rl4lms.results.suite import SHOWN_SEEDS
from rl4lms.results.table import interval_text

__all__ = [
    "KL_LABEL",
    "SAID",
    "Drawing",
    "around",
    "draw_curves",
    "draw_frontier",
    "draw_intervals",
    "kl_reward",
    "learning_curves",
    "number_axis",
    "panel",
    "summary",
    "without_outliers",
]

KL_LABEL = "KL to the starting model (nats per token)"
SAID, _UNSAID = 0.1, 0.02  # shares of the values that may leave a panel that says which do, and one that does not
_SQUEEZED = 3.0  # times as wide as without the values that are far out: then they leave the panel
_SPARE = 9  # entries that a legend in a panel may have


def _facets(names: Sequence[str], x_label: str, y_label: str) -> tuple[Drawing, dict[str, Axes]]:
    """A panel per name, four to a row; a panel that is left over is kept for the legend."""
    n_columns = max(1, min(4, len(names)))
    n_rows = math.ceil(len(names) / n_columns) or 1
    figure, axes = new_drawing((max(3.0 * n_columns, 5.0), 2.6 * n_rows + 0.5), nrows=n_rows, ncols=n_columns)
    figure.set_layout_engine("constrained", h_pad=0.08, w_pad=0.06, hspace=0.04)
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    figure.supxlabel(x_label, fontsize=10, color=INK)
    figure.supylabel(y_label, fontsize=10, color=INK)
    panels = dict(zip(names, axes.flat, strict=False))
    for name, axis in panels.items():
        axis.set_title(task_label(name))
    return figure, panels


@dataclass(frozen=True)
class TaskPanels:
    """The panels of a figure: one a task, or, where many algorithms would be a crowd, one a task and family of them.

    legends: family -> where its legend goes; None where one of the whole figure is to be found a place.
    """

    figure: Drawing
    panels: Sequence[tuple[str, Sequence[str], Axes]]
    legends: Mapping[str, Axes] | None

    @classmethod
    def of(cls, scores: SuiteScores, x_label: str, y_label: str) -> TaskPanels:
        groups, tasks = panel_groups(scores.settings.rl_methods), scores.settings.tasks
        if len(groups) == 1:
            figure, axes = _facets(tasks, x_label, y_label)
            return cls(figure, [(task, scores.settings.rl_methods, axis) for task, axis in axes.items()], None)
        heights = [0.19 * max(map(len, groups.values())) + 1.8, *[2.4] * len(tasks)]
        size = (3.6 * len(groups), sum(heights) + 0.6)
        figure, axes = new_drawing(size, nrows=len(heights), ncols=len(groups), height_ratios=heights)
        figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)
        figure.supxlabel(x_label, fontsize=10, color=INK)
        figure.supylabel(y_label, fontsize=10, color=INK)
        panels = []
        for task, row in zip(tasks, axes[1:], strict=True):
            row[0].set_title(task_label(task))
            panels += [(task, members, axis) for members, axis in zip(groups.values(), row, strict=True)]
        return cls(figure, panels, dict(zip(groups, axes[0], strict=True)))

    def legend(self, scores: SuiteScores, handle: Callable[[str], Line2D | None], how_to_read: str) -> None:
        """handle: a method's, None for one that is not drawn."""
        drawn = {method: found for method in scores.settings.methods if (found := handle(method)) is not None}
        if self.legends is None:
            _legend(self.figure, list(drawn.values()), how_to_read)
            return
        self.figure.suptitle(how_to_read.replace("\n", " "), fontsize=9, color=QUIET)
        look: dict[str, Any] = {"alignment": "left", "title_fontproperties": {"weight": "bold", "size": 10}}
        without = [line for method, line in drawn.items() if algorithm_of(method) is None]
        for family, axis in self.legends.items():
            axis.set_axis_off()
            if without:
                axis.add_artist(axis.legend(handles=without, loc="upper left", title="Without RL", **look))
                without = []
            handles = [drawn[method] for method in families(drawn)[family]]
            axis.legend(handles=handles, loc="lower left", title=family, **look)


@drawing_settings()
def learning_curves(scores: SuiteScores, by: str = "iterations") -> Drawing:
    """Mean reward of the rollouts, by a key of BY: a panel per task, thin lines seeds, thick lines their mean."""
    looks = styles(scores.settings.methods)
    drawing = TaskPanels.of(scores, AXIS_LABELS[by], "Reward of the rollouts")
    for task, methods, axis in drawing.panels:
        draw_curves(axis, scores.curves_of(task, REWARD_CURVE), {method: looks[method] for method in methods}, by)

    def handle(method: str) -> Line2D | None:
        return legend_handle(method, **curve_look(looks[method])) if algorithm_of(method) else None

    drawing.legend(scores, handle, f"Thick: mean of seeds.\nThin: {scores.settings.which_seeds}.")
    return drawing.figure


@drawing_settings()
def kl_reward(scores: SuiteScores) -> Drawing:
    """What reward costs in KL: rollouts of each seed as a thin path, its test score as the marker at the end."""
    looks = styles(scores.settings.methods)
    drawing = TaskPanels.of(scores, KL_LABEL, "Reward")
    for task, methods, axis in drawing.panels:
        draw_frontier(axis, scores, task, looks, methods)

    def handle(method: str) -> Line2D:
        if method == BEST_OF_N:
            return legend_handle(method, **line_look(looks[method]))
        return legend_handle(method, linestyle="none", **marker_look(looks[method]))

    text = (
        f"Marker: the test split, {scores.settings.which_seeds}.\nLine: its rollouts in training.\n"
        "Number: KL beyond the panel."
    )
    drawing.legend(scores, handle, text)
    return drawing.figure


@drawing_settings()
def summary(scores: SuiteScores) -> Drawing:
    """Normalised scores averaged across tasks, task and naturalness metrics apart, with intervals over seeds."""
    settings, panels = scores.settings, average_intervals(scores)
    size = (4.4 * len(panels) + 1.6, 0.42 * len(settings.methods) + 1.3)
    figure, axes = new_drawing(size, ncols=len(panels), sharey=True)
    for axis, (title, row) in zip(axes.flat, panels.items(), strict=True):
        axis.set_title(title)
        draw_intervals(axis, row, styles(settings.methods))
    label = f"Normalised score, mean over {len(settings.tasks)} tasks and {settings.level:.0%} t interval"
    if not settings.tells_methods_apart:
        label += f" of {len(settings.seeds)} runs each, too few to tell methods apart"
    figure.supxlabel(label, fontsize=9, color=INK)
    return figure


def draw_curves(
    axis: Axes, curves: pd.DataFrame, looks: Mapping[str, Style], by: str = "iterations", *, n_seeds: int = SHOWN_SEEDS
) -> None:
    """curves: of one task and metric. The mean of the seeds, and `n_seeds` of them at most as thin lines.

    looks: of the methods that are drawn; the panel is as high as all curves take. by: a key of BY.
    """
    for method, look in looks.items():
        runs, name = curves[curves["method"] == method], method_label(method)
        thin: dict[str, Any] = {"color": look.colour, "linewidth": 0.8, "alpha": 0.45}
        for seed, run in itertools.islice(runs.groupby("seed", sort=False), n_seeds):
            if len(run) < len(runs):
                axis.plot(run[BY[by]], run["value"], gid=f"title:{name}, seed {seed}", **thin)
        if len(runs):
            mean = seeds_mean(runs, by)
            places = {"markevery": max(1, math.ceil(len(mean) / 4)), "markersize": 5}
            axis.plot(mean.index, mean, gid=f"title:{name}", **curve_look(look) | places)
    axis.set_ylim(
        around(without_outliers(curves["value"], share=0.02))
    )  # nothing says what leaves: only rare spikes do
    axis.locator_params(nbins=6)
    number_axis(axis, by)


def number_axis(axis: Axes, by: str) -> None:
    """Ticks at whole iterations, or at numbers of tokens as 10k or 2M."""
    axis.locator_params(axis="x", integer=True)
    if by == "tokens":
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def draw_frontier(
    axis: Axes, scores: SuiteScores, task: str, looks: Mapping[str, Style], shown: Sequence[str] | None = None
) -> None:
    """Paths of the rollouts, and the test split, of the seeds shown; what lies far out stands at the edge, with its KL.

    shown: the RL methods that are drawn, beside those without RL; None is all. A panel is as wide as all take. Best of
    n, which has no KL, is a line across.
    """
    keys = ["method", "seed", "iteration"]
    reward, kl = (scores.curves_of(task, metric).set_index(keys)["value"] for metric in (REWARD_CURVE, KL_CURVE))
    paths = pd.DataFrame({"reward": reward, "kl": kl}).dropna().reset_index()
    dots, seen, rewards = [], [0.0, *paths["kl"]], [*paths["reward"]]
    for method, look in looks.items():
        name, is_shown = method_label(method), shown is None or method in shown or algorithm_of(method) is None
        rewards += scores.values(task, method, REWARD) or ()
        if method == BEST_OF_N:
            mean = float(np.mean(scores.values(task, method, REWARD) or ()))
            told = f"title:{name}, test split: reward {mean:.3f}"
            axis.axhline(mean, gid=told, **line_look(look) | {"linewidth": 1.4})
        thin: dict[str, Any] = {"color": look.colour, "linewidth": 0.9, "alpha": 0.55}
        for seed in scores.settings.shown_seeds if is_shown else ():
            path = paths[(paths["method"] == method) & (paths["seed"] == seed)]
            axis.plot(path["kl"], path["reward"], gid=f"title:{name}, rollouts of seed {seed}", **thin)
        ends = (scores.values(task, method, metric) or () for metric in (KL_PER_TOKEN, REWARD))
        for seed, x, y in zip(scores.settings.seeds, *ends, strict=False):
            if is_shown and seed in scores.settings.shown_seeds:
                dots.append((look, x, y, f"title:{name}, test split, seed {seed}: KL {x:.4f}, reward {y:.3f}"))
            seen.append(x)
    right = float(without_outliers(seen, SAID).max()) or 1.0
    far = right < max(seen)
    axis.set_xlim(min(seen) - 0.04 * right, right * (1.25 if far else 1.04))
    edge, beyond = axis.get_xlim()[1], dict[Style, list[tuple[float, float]]]()
    for look, x, y, name in dots:
        axis.plot([min(x, edge)], [y], linestyle="none", zorder=3, clip_on=False, gid=name, **marker_look(look))
        if x > edge:
            beyond.setdefault(look, []).append((x, y))
    for points in beyond.values():
        kls, ys = zip(*points, strict=True)
        number = " to ".join(dict.fromkeys(f"{x:.2g}" for x in (min(kls), max(kls))))
        axis.annotate(f"{number} ▸", (edge, float(np.mean(ys))), xytext=(-7, 0), ha="right", va="center", **SMALL)
    axis.set_ylim(around(rewards))
    axis.locator_params(nbins=5)


def around(values: Sequence[float] | Floats) -> tuple[float, float]:
    """Limits with a margin on either side; of no values any."""
    low, high = (float(min(values)), float(max(values))) if len(values) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def without_outliers(values: ArrayLike, share: float) -> Floats:
    """The values that a panel has room for: all, or, where a few would squeeze the rest into a third of it, the rest.

    The few lie further from the central part, which is all values but `share` of them at either end, than that part is
    wide. They are at most `share` of the values at an end, so that the one good method of several is not among them.
    """
    array = np.asarray(values, dtype=np.float64)
    if not array.size:
        return array
    low, high = np.quantile(array, [share, 1 - share])
    rest = array[(array >= low - (high - low)) & (array <= high + (high - low))]
    return rest if 0 < _SQUEEZED * np.ptp(rest) < np.ptp(array) else array


def draw_intervals(axis: Axes, row: Mapping[str, Interval], looks: Mapping[str, Style]) -> None:
    """A row per method: its mean on its interval, with the numbers above."""
    for y, (method, interval) in enumerate(row.items()):
        look, text = looks[method], interval_text(interval, 3)
        axis.plot([interval.low, interval.high], [y, y], color=look.colour, linewidth=2.2, solid_capstyle="butt")
        axis.plot([interval.mean], [y], gid=f"title:{method_label(method)}: {text}", **marker_look(look))
        axis.annotate(text, (interval.mean, y), xytext=(0, 6), ha="center", va="bottom", **SMALL)
    axis.set_yticks(range(len(row)), [method_label(method) for method in row])
    axis.tick_params(axis="y", labelcolor=INK, length=0)
    axis.set_ylim(len(row) - 0.5, -0.8)
    axis.margins(x=0.22)
    axis.locator_params(axis="x", nbins=5)
    axis.grid(visible=False, axis="y")
    axis.spines["left"].set_visible(False)


def _legend(figure: Drawing, handles: Sequence[Line2D], how_to_read: str) -> None:
    """In the panel that is left over, with a line on how to read the figure, or above the panels if it has no place."""
    spare = next((axis for axis in figure.axes if not axis.axison), None)
    if spare is None or len(handles) > _SPARE:
        title = how_to_read.replace("\n", " ")
        figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 5), title=title)
    else:
        spare.legend(handles=handles, loc="center left", handlelength=2.6, title=how_to_read, alignment="left")
