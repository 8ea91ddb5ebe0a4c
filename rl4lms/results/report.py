"""One self-contained HTML file of a suite: tables that sort, charts, samples of every method side by side, params."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Sequence
from dataclasses import replace

import jinja2
from markupsafe import Markup, escape

from rl4lms.config.labels import metric_label, task_label
from rl4lms.results.charts import palette
from rl4lms.results.curves import Curve
from rl4lms.results.report_charts import curve_table, summary_figures, task_figures
from rl4lms.results.report_configuration import Configuration
from rl4lms.results.report_samples import samples_json
from rl4lms.results.scores import SuiteScores
from rl4lms.results.table import Cell, Table
from rl4lms.results.tables import detail_table

_OPEN = ("task", "naturalness", "kl_per_token", "base_perplexity", "reward_gain")  # the other tables are folded,
_LONG = 16  # rows: and so are those with more
_DIVERSITY = "diversity_metrics/"


def report(scores: SuiteScores, tables: Sequence[Table], curves: Sequence[Curve], configuration: Configuration) -> str:
    """HTML text that loads nothing: styles, script and charts are inside, and every text is escaped.

    Equal input gives equal text.
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
            "figures": task_figures(scores, curves, task),
            "curves": curve_table(scores, curves, task),
            "tables": _detail_tables(scores, task),
            "runs": configuration.shown_runs(task, settings.methods, settings.seeds),
        }
        for task in settings.tasks
    ]
    return environment.from_string(_resource("report.html.j2")).render(
        title=f"GRUE: suite {settings.suite}",
        subtitle=f"{', '.join(counts)}; scores on the test split.",
        suite=settings.suite,
        seed=settings.seeds[0],
        css=Markup(_resource("report.css") + _colours(settings.methods)),
        script=Markup(_resource("report.js")),
        open_tables=[table for table in tables if _is_open(table)],
        closed_tables=[table for table in tables if not _is_open(table)],
        figures=summary_figures(scores),
        sections=sections,
        params=configuration.shown_params(),
        samples=Markup(samples_json(scores)),
    )


def _is_open(table: Table) -> bool:
    return table.key in _OPEN and len(table.rows) <= _LONG


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


def _colours(methods: Sequence[str]) -> str:
    light, dark = ("".join(f"--m{i}:{pair[k]};" for i, pair in enumerate(palette(methods))) for k in (0, 1))
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
