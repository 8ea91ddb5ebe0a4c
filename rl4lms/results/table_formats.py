"""Tables as Markdown, LaTeX and CSV text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from rl4lms.core.errors import one_line
from rl4lms.results.scores import to_csv
from rl4lms.results.table import Cell, Table

# Tables whose rows are not methods, or whose numbers are not ours: they have no place in the CSV of methods.
_NOT_BY_METHOD = ("reward_gain", "supervised_gain", "base_perplexity", "paper_")

_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "≤": r"$\leq$",
    "–": "--",
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}
_MARKDOWN = re.compile(r"[\\|*`]|<(?=[A-Za-z/!?])|\[(?=[^\]]*\][(\[])")  # tables, emphasis, code, HTML, links


def markdown(tables: Iterable[Table], title: str) -> str:
    """One document: a section per table, columns padded so that it reads as plain text too."""
    sections = [f"# {_markdown_escape(title)}", *(_markdown_section(table) for table in tables)]
    return "\n\n".join(sections) + "\n"


def markdown_table(table: Table) -> str:
    """The table alone: head, rule and rows. The best of a column is bold."""
    rows = [[_markdown_escape(column.head) for column in table.columns]]
    rows += [[_bold(cell, _markdown_escape(cell.text), "**{}**") for cell in row] for row in table.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    lines = ["| " + " | ".join(_pad(row, widths, table)) + " |" for row in rows]
    rule = [f"{'-' * (w + 1)}:" if c.numeric else "-" * (w + 2) for c, w in zip(table.columns, widths, strict=True)]
    return "\n".join([lines[0], "|" + "|".join(rule) + "|", *lines[1:]])


def _pad(row: Sequence[str], widths: Sequence[int], table: Table) -> list[str]:
    cells = zip(row, widths, table.columns, strict=True)
    return [text.rjust(width) if column.numeric else text.ljust(width) for text, width, column in cells]


def _markdown_section(table: Table) -> str:
    notes = "\n".join(f"- {_markdown_escape(note)}" for note in table.notes)
    parts = [f"## {_markdown_escape(table.title)}", markdown_table(table), notes]
    return "\n\n".join(part for part in parts if part)


def _markdown_escape(text: str) -> str:
    return _MARKDOWN.sub(lambda match: "\\" + match.group(), one_line(text))


def _bold(cell: Cell, text: str, template: str) -> str:
    return template.format(text) if cell.best else text


def latex(tables: Iterable[Table]) -> str:
    """A `table*` per table, for \\input; it needs the packages booktabs and graphicx."""
    preamble = "% \\usepackage{booktabs,graphicx}\n"
    return preamble + "\n".join(_latex_table(table) for table in tables)


def _latex_table(table: Table) -> str:
    title = table.title if table.title.endswith("?") else f"{table.title}."
    alignment = "".join("r" if column.numeric else "l" for column in table.columns)
    lines = [
        r"\begin{table*}",
        r"  \centering",
        rf"  \caption{{{tex_escape(' '.join((title, *table.notes)))}}}",
        rf"  \label{{tab:{re.sub('[^a-z0-9]+', '-', table.key.lower())}}}",
        r"  \resizebox{\textwidth}{!}{%",
        rf"  \begin{{tabular}}{{{alignment}}}",
        r"    \toprule",
        _latex_row(tex_escape(column.label) for column in table.columns),
    ]
    if any(column.detail for column in table.columns):
        lines.append(_latex_row(tex_escape(column.detail) for column in table.columns))
    lines.append(r"    \midrule")
    lines += [_latex_row(_bold(c, tex_escape(c.text), r"\textbf{{{}}}") for c in row) for row in table.rows]
    lines += [r"    \bottomrule", r"  \end{tabular}}", r"\end{table*}"]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Iterable[str]) -> str:
    return "    " + " & ".join(cells) + r" \\"


def tex_escape(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in one_line(text))


def method_csv(tables: Iterable[Table], methods: Sequence[str]) -> str:
    """One row per method: `<table>:<column>` and its bounds `..:low`, `..:high`, of every table that has methods.

    Full precision; an empty field where nothing was measured.
    """
    columns = ["method"]
    rows: dict[str, dict[str, object]] = {method: {"method": method} for method in methods}
    for table in tables:
        if table.key.startswith(_NOT_BY_METHOD):
            continue
        for i, column in enumerate(table.columns[1:], 1):
            name = f"{table.key}:{column.key}"
            getters: dict[str, Callable[[Cell], object]] = {
                name: lambda cell: cell.value,
                f"{name}:low": lambda cell: cell.low,
                f"{name}:high": lambda cell: cell.high,
            }
            columns += getters
            for method, row in zip(table.row_keys, table.rows, strict=True):
                rows[method] |= {field: get(row[i]) for field, get in getters.items()}
    return to_csv(rows.values(), columns)


def comparison_csv(tables: Iterable[Table]) -> str:
    """Rows of the given significance tables in full precision, with the bounds of the gain."""
    names, rows = ["table"], []
    for table in tables:
        for row in table.rows:
            values: dict[str, object] = {"table": table.key}
            for column, cell in zip(table.columns, row, strict=True):
                values[column.key] = cell.value
                if column.key == "gain":
                    values |= {"gain:low": cell.low, "gain:high": cell.high}
            rows.append(values)
            names = list(dict.fromkeys((*names, *values)))
    return to_csv(rows, names)
