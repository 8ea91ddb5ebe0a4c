"""Learning curves of one or several runs as a figure: a line for each configuration, with a band over its seeds."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rl4lms.config.labels import task_label
from rl4lms.core.errors import DataError
from rl4lms.results.curves import AXIS_LABELS
from rl4lms.results.drawing import INK, PAPER, Drawing, curve_look, drawing_settings, new_drawing
from rl4lms.results.figures import SAID, around, number_axis, without_outliers
from rl4lms.results.palette import Style, line_styles, styles
from rl4lms.results.run_curves import (
    REWARD,
    LoggedGroup,
    PooledCurve,
    band_of,
    column_title,
    named_columns,
    usual_columns,
)
from rl4lms.results.run_groups import RunGroup

log = logging.getLogger(__name__)

MOST_METRICS = 4  # of the validation split, of one task; of several, each a row, half of them
_COLUMNS = 3  # of panels, of one task
_TITLE_POINTS = 320  # of width that a panel has for its title, in letters as wide as high
_NOTES = 4  # lines that leave a panel of which it says so
_BANDS = {
    "range": "Line: mean of the seeds. Band: their lowest and highest.",
    "t": "Line: mean of the seeds. Band: its 95 % t interval.",
}


@dataclass(frozen=True)
class _Line:
    label: str
    look: Style
    curve: PooledCurve


@drawing_settings()
def plot_groups(groups: Sequence[RunGroup], by: str = "iterations", metrics: Sequence[str] = ()) -> Drawing:
    """A panel for each metric, a row for each task if there are several, a line for each group.

    by: iterations or tokens. metrics: names of columns as `run_curves.named_columns` takes them; without any: the
    reward, for one group with its parts, the KL to the starting model, and metrics on the validation split. Raises
    DataError for a run that logged nothing, ConfigError for a metric that none logged.
    """
    logged, looks, band = [LoggedGroup.read(group) for group in groups], _looks(groups), band_of(groups)
    rows: dict[str, dict[str, list[_Line]]] = {}
    tasks = list(dict.fromkeys(group.task for group in groups))
    chosen = named_columns(metrics, _known(logged)) if metrics else []
    for task in tasks:
        members = [each for each in logged if each.group.task == task]
        found = _panels(members, chosen or _usual(members, len(tasks)), by, band, looks, parts=not metrics)
        rows |= {task: found} if found else {}
    if not rows:
        raise DataError("no run logged a number of what is to be plotted at an iteration that all its seeds have.")
    drawn = {line.label for row in rows.values() for lines in row.values() for line in lines}
    shown = [group for group in groups if group.label in drawn or len(groups) == 1]
    if missing := dict.fromkeys(group.label for group in groups if group not in shown):
        log.info("not drawn, for they logged none of it: %s", "; ".join(missing))
    return _draw(rows, shown, by, band)


def _known(logged: Sequence[LoggedGroup]) -> list[str]:
    return list(dict.fromkeys(name for each in logged for name in each.columns))


def _usual(members: Sequence[LoggedGroup], n_tasks: int) -> list[str]:
    runs = [run for each in members for run in each.group.runs.values()]
    return usual_columns(_known(members), runs, MOST_METRICS if n_tasks == 1 else MOST_METRICS // 2)


def _looks(groups: Sequence[RunGroup]) -> dict[str, Style]:
    """A look for each label: a method's own if methods are what is shown, else one of the spare ones."""
    methods = {group.label: group.method for group in groups}
    if all(methods.values()) and len(set(methods.values())) == len(methods):
        by_method = styles(list(methods.values()))
        return {label: by_method[method] for label, method in methods.items()}
    return dict(zip(methods, line_styles(len(methods)), strict=True))


def _panels(
    members: Sequence[LoggedGroup],
    columns: Sequence[str],
    by: str,
    band: str,
    looks: Mapping[str, Style],
    *,
    parts: bool,
) -> dict[str, list[_Line]]:
    """Title -> the lines of a panel, of those columns that any of the groups has."""
    panels = {}
    for column in columns:
        lines = []
        for each in members:
            if (curve := each.pooled(column, by, band)) is not None:
                lines.append(_Line(each.group.label, looks[each.group.label], curve))
        if len(members) == 1 and column == REWARD and parts:
            lines = _with_parts(members[0], lines, by, band)
        if lines:
            note = ", geometric mean" * any(each.has_geometric_mean(column) for each in members)
            panels[column_title(column) + note] = lines
    return panels


def _with_parts(member: LoggedGroup, lines: Sequence[_Line], by: str, band: str) -> list[_Line]:
    """The reward of one configuration, and its parts beside it."""
    names = [name for name in member.columns if name.startswith("rollout/reward_")]
    curves = {name.removeprefix("rollout/reward_"): member.pooled(name, by, band) for name in names}
    looks = line_styles(len(names) + 1)[1:]
    parts = [_Line(name, look, curve) for (name, curve), look in zip(curves.items(), looks, strict=True) if curve]
    return [*(_Line("all of it" if parts else line.label, line.look, line.curve) for line in lines), *parts]


def _draw(rows: Mapping[str, Mapping[str, list[_Line]]], groups: Sequence[RunGroup], by: str, band: str) -> Drawing:
    several, n_panels = len(rows) > 1, max(map(len, rows.values()))
    n_rows = len(rows) if several else math.ceil(n_panels / _COLUMNS)
    n_columns = n_panels if several else math.ceil(n_panels / n_rows)
    size = (max(3.4 * n_columns, 5.4), 2.6 * n_rows + 0.6)
    figure, axes = new_drawing(size, nrows=n_rows, ncols=n_columns)
    figure.set_layout_engine("constrained", h_pad=0.08, w_pad=0.08)
    for axis in axes.flat:
        axis.set_axis_off()
    for i, (task, row) in enumerate(rows.items()):
        places = axes[i] if several else axes.flat
        x = np.concatenate([line.curve.x for lines in row.values() for line in lines])
        margin = 0.04 * float(np.ptp(x)) or 0.5
        for axis, (title, lines) in zip(places, row.items(), strict=False):
            axis.set_axis_on()
            axis.set_title(title, fontsize=min(10.0, _TITLE_POINTS / len(title)))
            _draw_panel(axis, lines, by)
            axis.set_xlim(float(x.min()) - margin, float(x.max()) + margin)
        if several:
            places[0].set_ylabel(task_label(task) or "other runs", fontweight="bold")
    figure.supxlabel(_x_label(groups, by), fontsize=10, color=INK)
    _legend(figure, size[0], [line for row in rows.values() for lines in row.values() for line in lines], groups, band)
    return figure


def _x_label(groups: Sequence[RunGroup], by: str) -> str:
    """Supervised runs count epochs."""
    if by == "tokens":
        return AXIS_LABELS[by]
    runs = [run for group in groups for run in group.runs.values()]
    n_supervised = sum((run.config.get("alg") or {}).get("id") == "supervised" for run in runs)
    if n_supervised == len(runs):
        return "Epoch"
    return "Iteration, or epoch of a supervised run" if n_supervised else AXIS_LABELS[by]


def _draw_panel(axis: Axes, lines: Sequence[_Line], by: str) -> None:
    for line in lines:
        curve, n = line.curve, len(line.curve.x)
        places = {"markevery": max(1, math.ceil(n / 6)), "markersize": 4.5, "linewidth": 1.8}
        axis.plot(curve.x, curve.mean, gid=f"title:{line.label}", **curve_look(line.look) | places)
        if (curve.low < curve.high).any():
            axis.fill_between(curve.x, curve.low, curve.high, color=line.look.colour, alpha=0.15, linewidth=0)
    edges = np.concatenate([part for line in lines for part in (line.curve.low, line.curve.high)])
    low, high = around(without_outliers(edges, SAID))
    axis.set_ylim(low, high)
    axis.locator_params(nbins=6)
    number_axis(axis, by)
    _note_what_leaves(axis, lines, low, high)


def _note_what_leaves(axis: Axes, lines: Sequence[_Line], low: float, high: float) -> None:
    """Lines that leave the panel are named in its corner with how far they go."""
    notes = []
    for line in lines:
        if (top := float(line.curve.high.max())) > high:
            notes.append((f"▲ {line.label} {top:.3g}", line.look.colour))
        if (bottom := float(line.curve.low.min())) < low:
            notes.append((f"▼ {line.label} {bottom:.3g}", line.look.colour))
    if len(notes) > _NOTES:
        notes = [*notes[: _NOTES - 1], (f"and {len(notes) - _NOTES + 1} more beyond", INK)]
    box = {"facecolor": PAPER, "alpha": 0.8, "edgecolor": "none", "pad": 1.0}
    for i, (text, colour) in enumerate(notes):
        where: dict[str, Any] = {
            "xycoords": "axes fraction",
            "textcoords": "offset points",
            "xytext": (-2, -2 - 10 * i),
        }
        axis.annotate(text, (1, 1), ha="right", va="top", fontsize=7.5, color=colour, bbox=box, zorder=5, **where)


def _legend(figure: Drawing, width: float, lines: Sequence[_Line], groups: Sequence[RunGroup], band: str) -> None:
    """Above the panels: what each line is, and how several seeds are shown."""
    numbers: dict[str, set[int]] = {}
    for group in groups:
        numbers.setdefault(group.label, set()).add(len(group.runs))
    every = set().union(*numbers.values())
    handles: dict[str, Line2D] = {}
    for line in lines:
        n = numbers.get(line.label, every)
        count = f"{min(n)} to {max(n)} seeds" if len(n) > 1 else f"{max(n)} seed{'s' * (max(n) > 1)}"
        label = f"{line.label} ({count})" if len(every) > 1 and line.label in numbers else line.label
        handles.setdefault(label, Line2D([], [], **curve_look(line.look) | {"markersize": 4.5}))
    how = _BANDS[band] if max(every) > 1 else ""
    if how and len(every) == 1:
        how = how.replace("the seeds", f"{max(every)} seeds")
    if len(handles) == 1 and not how:
        how, handles = next(iter(handles)), {}
    if not handles:
        figure.suptitle(how, fontsize=9, color=INK)
        return
    fitting = max(1, int(width / (0.085 * max(map(len, handles)) + 0.65)))
    n_columns = math.ceil(len(handles) / math.ceil(len(handles) / fitting))
    figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=n_columns, title=how or None)
