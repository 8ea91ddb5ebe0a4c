"""One self-contained HTML file of a suite: tables that sort, figures, samples of every method side by side, params."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jinja2
import yaml
from markupsafe import Markup, escape

from rl4lms.config.labels import arrow, method_label, metric_label, task_label
from rl4lms.results import figures
from rl4lms.results.averages import average_intervals
from rl4lms.results.curves import (
    AXIS_LABELS,
    KL_CURVE,
    MAIN_METRIC_CURVE,
    REWARD_CURVE,
    TOKENS_COLUMN,
    seeds_mean,
)
from rl4lms.results.differences import flat
from rl4lms.results.gains import REWARD_GAIN
from rl4lms.results.normalised_gains import SuiteStatistics
from rl4lms.results.palette import MARKER_PATHS, panel_groups, styles
from rl4lms.results.report_samples import samples_json
from rl4lms.results.scores import SuiteScores
from rl4lms.results.statistics_figures import PANELS
from rl4lms.results.suite import RunKey
from rl4lms.results.table import NOT_MEASURED, Cell, Column, Table, decimals
from rl4lms.results.tables import detail_table

_OPEN = (
    "task",
    "gains",
    "contrasts",
    "naturalness",
    "kl_per_token",
    "base_perplexity",
)  # and the gains, if they are few; others are folded
_LONG = 16  # rows of gains, of which a run has one
_DIVERSITY = "diversity_metrics/"


@dataclass(frozen=True)
class ReportFigure:
    """A drawing, and what stands above and below it."""

    title: str
    svg: Markup
    caption: str


def report(
    scores: SuiteScores,
    statistics: SuiteStatistics,
    tables: Sequence[Table],
    params: Mapping[str, Any],
    configs: Mapping[RunKey, Mapping[str, Any]],
) -> str:
    """HTML text that loads nothing: styles, script and figures are inside, and every text is escaped.

    params: file of params/ -> content; configs: config.json of every trained run. Equal input gives equal text.
    """
    settings = scores.settings
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=False
    )
    environment.filters |= {"slug": slug, "spread": _cell}
    named = {"task": settings.tasks, "method": settings.methods, "seed": settings.seeds}
    counts = [f"{len(items)} {name}{'s' * (len(items) != 1)}" for name, items in named.items()]
    sections = [
        {
            "task": task,
            "label": task_label(task),
            "figures": task_figures(scores, task),
            "curves": curve_table(scores, task),
            "tables": _detail_tables(scores, task),
            "runs": shown_runs(scores, configs, task),
        }
        for task in settings.tasks
    ]
    return environment.from_string(_resource("report.html.j2")).render(
        title=f"GRUE: suite {settings.suite}",
        subtitle=f"{', '.join(counts)}; scores on the test split.",
        suite=settings.suite,
        seed=settings.seeds[0],
        css=Markup(_resource("report.css") + _colours(scores)),
        script=Markup(_resource("report.js")),
        open_tables=[table for table in tables if _is_open(table)],
        closed_tables=[table for table in tables if not _is_open(table)],
        figures=[*summary_figures(scores), *statistics_figures(scores, statistics)],
        legends=_legends(scores),
        sections=sections,
        params=[(name, _as_yaml(content)) for name, content in params.items()],
        samples=Markup(samples_json(scores)),
    )


def summary_figures(scores: SuiteScores) -> list[ReportFigure]:
    """Normalised scores averaged across tasks with intervals over seeds, task and naturalness metrics apart."""
    settings = scores.settings
    caption = f"Normalised score, mean over {len(settings.tasks)} tasks with its {settings.level:.0%} t interval."
    if not settings.tells_methods_apart:
        caption += f" {len(settings.seeds)} runs a method and task cannot tell methods apart."
    shown = []
    for title, row in average_intervals(scores).items():
        with figures.panel("", "", (6.4, 0.5 * len(row) + 0.8)) as (figure, axis):
            figures.draw_intervals(axis, row, styles(settings.methods))
            said = "; ".join(f"{method_label(method)} {interval.mean:.3f}" for method, interval in row.items())
            shown.append(ReportFigure(f"{title}, average", _svg(figure, f"{title}: {said}", scores), caption))
    return shown


def statistics_figures(scores: SuiteScores, statistics: SuiteStatistics) -> list[ReportFigure]:
    """The panels of statistics.png, each as a figure of its own."""
    shown = []
    for each in PANELS:
        with figures.panel("", "", (6.4, each.height(scores.settings))) as (figure, axis):
            each.draw(axis, statistics, scores.settings)
            svg = _svg(figure, f"{each.title}. The numbers are in the tables.", scores)
            shown.append(ReportFigure(each.title, svg, each.caption))
    return shown


def task_figures(scores: SuiteScores, task: str) -> list[list[ReportFigure]]:
    """Learning curves of the rollouts' reward and of the main metric on the validation split, and reward against KL.

    The curves by iteration, and by sampled tokens if the runs logged them. A row of all, or, where many algorithms
    would be a crowd, a row of each with a figure a family.
    """
    rows = [_task_figures(scores, task, *group) for group in panel_groups(scores.settings.rl_methods).items()]
    return rows if len(rows) == 1 else [list(row) for row in zip(*rows, strict=True)]


def _task_figures(scores: SuiteScores, task: str, family: str, methods: Sequence[str]) -> list[ReportFigure]:
    settings, looks, where = scores.settings, styles(scores.settings.methods), task_label(task)
    own, which = {method: looks[method] for method in methods}, f", {family.lower()}" if family else ""
    metric = settings.main_metrics[task]
    label, better = metric_label(metric), arrow(settings.higher_is_better(metric))
    kinds = {
        REWARD_CURVE: (f"Reward of the rollouts {arrow(True)}", "Reward"),
        MAIN_METRIC_CURVE: (f"{label} on the validation split {better}", label),
    }
    drawn = {kind: curves for kind in kinds if len(curves := scores.curves_of(task, kind))}
    with_tokens = {kind: curves for kind, curves in drawn.items() if curves[TOKENS_COLUMN].notna().all()}

    def curve_figure(kind: str, by: str) -> ReportFigure:
        (title, y_label), x_label = kinds[kind], AXIS_LABELS[by]
        head = title + (which if by == "iterations" else f" by {x_label.lower()}{which}")
        with figures.panel(x_label, y_label) as (figure, axis):
            n_seeds = len(settings.shown_seeds) if by == "iterations" else 0
            figures.draw_curves(axis, drawn[kind], own, by, n_seeds=n_seeds)
            name = f"{title}{which}, {where}, by {x_label.lower()}. The numbers are in the table below."
            caption = "Thick: mean of the seeds." + f" Thin: {settings.which_seeds}." * (n_seeds > 0)
            caption = caption if len(settings.seeds) > 1 else "One seed."
            return ReportFigure(head, _svg(figure, name, scores), caption)

    shown = [curve_figure(kind, "iterations") for kind in drawn]
    with figures.panel(figures.KL_LABEL, "Reward") as (figure, axis):
        figures.draw_frontier(axis, scores, task, looks, methods)
        name = f"Reward against KL to the starting model{which}, {where}."
        caption = f"Marker: the test split, {settings.which_seeds}. Line: its rollouts in training."
        caption += " A number at the edge: KL beyond it."
        shown.append(ReportFigure(f"Reward against KL{which}", _svg(figure, name, scores), caption))
    return shown + [curve_figure(kind, "tokens") for kind in with_tokens]


def _legends(scores: SuiteScores) -> list[tuple[str, list[dict[str, Any]]]]:
    """(what stands before it, its entries), a line each: those without RL, then the methods that share a panel."""
    settings, looks = scores.settings, styles(scores.settings.methods)
    slots = {method: slot for slot, method in enumerate(settings.methods)}
    groups = panel_groups(settings.rl_methods)
    without = [method for method in settings.methods if method not in settings.rl_methods]
    rows = {"": [*without, *settings.rl_methods]} if len(groups) == 1 else {"Without RL": without, **groups}

    def entry(method: str) -> dict[str, Any]:
        look = looks[method]
        path = MARKER_PATHS[look.marker]
        return {"slot": slots[method], "look": look, "path": path, "label": method_label(method)}

    return [(name, [entry(method) for method in members]) for name, members in rows.items()]


def _svg(figure: figures.Drawing, name: str, scores: SuiteScores) -> Markup:
    colours = {look.colour: f"m{i}" for i, look in enumerate(styles(scores.settings.methods).values())}
    return Markup(figure.svg(name, colours))


def curve_table(scores: SuiteScores, task: str) -> Table:
    """The numbers of a task's curves: mean of the seeds at the first and the last iteration."""
    kinds = {REWARD_CURVE: "Reward", KL_CURVE: "KL per token", MAIN_METRIC_CURVE: "Validation"}
    columns = [Column("method", "Method", numeric=False)]
    columns += [Column(f"{k}/{end}", name, end) for k, name in kinds.items() for end in ("first", "last")]
    rows = []
    for method in scores.settings.rl_methods:
        cells = [Cell(method_label(method), method)]
        for kind in kinds:
            curves = scores.curves_of(task, kind)
            mean = list(seeds_mean(curves[curves["method"] == method]))
            ends = [Cell(f"{value:.{decimals([value])}f}", value) for value in (mean[:1] + mean[-1:])]
            cells += ends or [Cell(NOT_MEASURED)] * 2
        rows.append(tuple(cells))
    notes = ("First and last iteration, mean of the seeds; every iteration is in curves.csv.",)
    keys = scores.settings.rl_methods
    return Table(f"curves_{task}", "Numbers of these figures", tuple(columns), keys, tuple(rows), notes)


def shown_runs(scores: SuiteScores, configs: Mapping[RunKey, Mapping[str, Any]], task: str) -> list[dict[str, Any]]:
    """Of every method that was trained: the first seed's configuration, and what the other seeds shown have else."""
    shown, seeds = [], scores.settings.shown_seeds
    for method in scores.settings.methods:
        found = {seed: configs[task, method, seed] for seed in seeds if (task, method, seed) in configs}
        if found:
            (first, config), *others = found.items()
            differing = [(seed, changes(config, other)) for seed, other in others]
            shown.append({"label": method_label(method), "seed": first, "text": _as_yaml(config), "others": differing})
    return shown


def changes(one: Any, other: Any) -> list[str]:
    """Lines "dotted.key: value" of what `other` has else than `one`; a key that it lacks is said to be absent."""
    before, after = dict(flat(one)), dict(flat(other))
    changed = {key: value for key, value in after.items() if key not in before or before[key] != value}
    texts = {key: _as_yaml(value, flow=True).removesuffix("...\n").strip() for key, value in changed.items()}
    lines = [f"{key}: {text}" for key, text in texts.items()]
    return [*lines, *(f"{key}: absent" for key in before if key not in after)]


def _as_yaml(content: Any, *, flow: bool = False) -> str:
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100, default_flow_style=flow))


def _is_open(table: Table) -> bool:
    return table.key in _OPEN or (table.key == REWARD_GAIN and len(table.rows) <= _LONG)


def _detail_tables(scores: SuiteScores, task: str) -> list[Table]:
    """All metrics of a task: those that have a name of their own, and the forty numbers of `diversity` apart."""
    table = detail_table(scores, task)
    parts: dict[bool, list[int]] = {True: [], False: []}
    for i, key in enumerate(table.row_keys):
        parts[metric_label(key) == key and key.startswith(_DIVERSITY)].append(i)
    heads = {False: ("", "All metrics"), True: ("_diversity", "Further numbers on diversity")}
    tables = []
    for further, (suffix, title) in heads.items():
        keys = tuple(table.row_keys[i] for i in parts[further])
        rows = tuple(_plain_head(table.rows[i]) for i in parts[further])
        notes = () if further else table.notes
        tables.append(replace(table, key=table.key + suffix, title=title, row_keys=keys, rows=rows, notes=notes))
    return [table for table in tables if table.rows]


def _plain_head(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
    return (replace(row[0], text=row[0].text.removeprefix(_DIVERSITY)), *row[1:])


def _resource(name: str) -> str:
    return (importlib.resources.files("rl4lms.results") / "templates" / name).read_text(encoding="utf-8")


def _colours(scores: SuiteScores) -> str:
    looks = list(styles(scores.settings.methods).values())
    light = "".join(f"--m{i}:{look.colour};" for i, look in enumerate(looks))
    dark = "".join(f"--m{i}:{look.dark};" for i, look in enumerate(looks))
    return (
        f":root{{{light}}}\n@media (prefers-color-scheme: dark){{:root{{{dark}}}}}\n@media print{{:root{{{light}}}}}\n"
    )


def slug(text: str) -> str:
    """An id for HTML: letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()


def _cell(cell: Cell) -> Markup:
    """The text with its bounds set apart: they are read second."""
    match = re.fullmatch(r"(\S+)( [±(\[].*)", cell.text) if cell.low is not None else None
    if match is None:
        return escape(cell.text)
    return Markup('{}<span class="spread">{}</span>').format(*match.groups())
