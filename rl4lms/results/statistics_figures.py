"""Figures of what methods gain over their warm start: intervals, ranks and performance profiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from rl4lms.config.labels import method_label, task_label
from rl4lms.results.drawing import INK, Drawing, curve_look, drawing_settings, new_drawing
from rl4lms.results.figures import draw_intervals
from rl4lms.results.normalised_gains import SuiteStatistics
from rl4lms.results.palette import styles
from rl4lms.results.seed_statistics import ranks
from rl4lms.results.suite import SuiteSettings

_PROFILE_HEIGHT = 3.9  # inches
_IN_PANEL = 9  # methods of which a panel holds the legend and the bands


@dataclass(frozen=True)
class StatisticsPanel:
    """title and caption: what stands above and below it; is_by_method: whether it has a row for each method."""

    title: str
    caption: str
    draw: Callable[[Axes, SuiteStatistics, SuiteSettings], None]
    is_by_method: bool = True

    def height(self, settings: SuiteSettings) -> float:
        """Inches."""
        return 0.5 * len(settings.warm_methods) + 0.9 if self.is_by_method else _PROFILE_HEIGHT


def _draw_gains(axis: Axes, statistics: SuiteStatistics, settings: SuiteSettings) -> None:
    draw_intervals(axis, statistics.intervals("iqm"), styles(settings.methods))
    axis.axvline(0.0, color=INK, linewidth=0.8, zorder=0)


def _draw_ranks(axis: Axes, statistics: SuiteStatistics, settings: SuiteSettings) -> None:
    """A row per method: its mean rank on each task as small dots, and over all with the interval."""
    looks = styles(settings.methods)
    by_run = ranks({method: statistics.gains[method] for method in settings.warm_methods})
    for y, method in enumerate(settings.warm_methods):
        for task, rank in zip(settings.tasks, by_run[method].mean(axis=1), strict=True):
            name = f"title:{method_label(method)}, {task_label(task)}: mean rank {rank:.2f}"
            axis.plot([rank], [y + 0.22], marker=".", color=looks[method].colour, alpha=0.6, linestyle="none", gid=name)
    draw_intervals(axis, statistics.intervals("rank"), looks)


def _draw_profiles(axis: Axes, statistics: SuiteStatistics, settings: SuiteSettings) -> None:
    looks, n = styles(settings.methods), len(settings.warm_methods)
    for method in settings.warm_methods:
        rows = statistics.profiles[statistics.profiles["method"] == method]
        look, name = looks[method], method_label(method)
        places = {"markevery": max(1, len(rows) // 6), "markersize": 4, "linewidth": 1.5}
        axis.plot(rows["threshold"], rows["share"], gid=f"title:{name}", label=name, **curve_look(look) | places)
        if settings.tells_methods_apart and n <= _IN_PANEL:
            axis.fill_between(rows["threshold"], rows["low"], rows["high"], color=look.colour, alpha=0.12, linewidth=0)
    axis.set_ylim(-0.03, 1.03)
    axis.set(xlabel="Normalised gain", ylabel="Share of runs above it")
    if n <= _IN_PANEL:
        axis.legend(fontsize="small")
    else:
        axis.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.01, 1.0), ncols=int(np.ceil(n / 18)))


PANELS = (
    StatisticsPanel(
        "Interquartile mean of the gain",
        "Normalised gain over the warm start, with its t interval: of these tasks, and of other seeds.",
        _draw_gains,
    ),
    StatisticsPanel(
        "Mean rank",
        "1 gains the most. Large: mean over tasks and seeds with its t interval. Small: each task.",
        _draw_ranks,
    ),
    StatisticsPanel(
        "Performance profile",
        "Share of the runs, over tasks and seeds, that gain more. Bands, of five seeds and few methods: "
        "pointwise, by resampling seeds within tasks, and too narrow for few seeds.",
        _draw_profiles,
        is_by_method=False,
    ),
)


@drawing_settings()
def statistics_figure(statistics: SuiteStatistics, settings: SuiteSettings) -> Drawing:
    """All PANELS side by side."""
    height = max(_PROFILE_HEIGHT, *(panel.height(settings) for panel in PANELS))
    figure, axes = new_drawing((15.0, height), ncols=len(PANELS))
    for panel, axis in zip(PANELS, axes.flat, strict=True):
        axis.set_title(panel.title)
        panel.draw(axis, statistics, settings)
    label = f"{len(settings.tasks)} tasks x {len(settings.seeds)} seeds, {settings.level:.0%} intervals"
    if not settings.tells_methods_apart:
        label += ": too few seeds to tell methods apart"
    figure.supxlabel(label, fontsize=9, color=INK)
    return figure
