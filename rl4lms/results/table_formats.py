"""Tables as Markdown, LaTeX and CSV text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rl4lms.core.errors import one_line
from rl4lms.results.table import Table

if TYPE_CHECKING:  # imported when something is written: crowd work reads this module without writing tables
    import pandas as pd

# What a spreadsheet takes for the beginning of a formula, in the wide forms of Chinese and Japanese keyboards, too.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

PAGE_ROWS = 60  # of a LaTeX table that fits a page

# Tables whose rows are not methods, or whose numbers are not ours: they have no place in the CSV of methods.
_NOT_BY_METHOD = ("reward_gain", "supervised_gain", "contrasts", "improvement", "base_perplexity", "paper_", "training")

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
    sections = [f"# {_markdown_escape(title)}"]
    for table in tables:
        notes = "\n".join(f"- {_markdown_escape(note)}" for note in table.notes)
        parts = [f"## {_markdown_escape(table.title)}", markdown_table(table), notes]
        sections += [part for part in parts if part]
    return "\n\n".join(sections) + "\n"


def markdown_table(table: Table) -> str:
    """Only the table: head, rule and rows. The best of a column is bold."""
    frame = _text(table, _markdown_escape, "**{}**")
    frame.columns = [_markdown_escape(column.head) for column in table.columns]
    sides = ["right" if column.numeric else "left" for column in table.columns]
    return str(frame.to_markdown(index=False, disable_numparse=True, colalign=sides))


def latex(tables: Iterable[Table]) -> str:
    """A `table*` per table, for \\input, or several of one that no page holds; needs booktabs and graphicx."""
    parts = [part for table in tables for part in _pages(table)]
    return "% \\usepackage{booktabs,graphicx}\n" + "\n".join(map(_latex_table, parts))


def _pages(table: Table) -> list[Table]:
    """The table, or parts of PAGE_ROWS rows, of which the first has its notes."""
    n = math.ceil(len(table.rows) / PAGE_ROWS)
    if n < 2:
        return [table]
    cuts = [slice(i * PAGE_ROWS, (i + 1) * PAGE_ROWS) for i in range(n)]
    return [
        replace(
            table,
            key=f"{table.key}-{i}",
            title=f"{table.title.rstrip('?')}, part {i} of {n}",
            row_keys=table.row_keys[cut],
            rows=table.rows[cut],
            notes=table.notes if i == 1 else (),
        )
        for i, cut in enumerate(cuts, 1)
    ]


def _latex_table(table: Table) -> str:
    import pandas as pd

    title = table.title if table.title.endswith("?") else f"{table.title}."
    frame = _text(table, tex_escape, r"\textbf{{{}}}")
    heads = [(tex_escape(column.label), tex_escape(column.detail)) for column in table.columns]
    with_details = any(detail for _, detail in heads)
    frame.columns = pd.MultiIndex.from_tuples(heads) if with_details else [label for label, _ in heads]
    sides = "".join("r" if column.numeric else "l" for column in table.columns)
    return "\n".join([
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{tex_escape(' '.join((title, *table.notes)))}}}",
        rf"\label{{tab:{re.sub('[^a-z0-9]+', '-', table.key.lower())}}}",
        r"\resizebox{\textwidth}{!}{%",
        frame.to_latex(index=False, escape=False, column_format=sides, multicolumn_format="c").rstrip() + "}",
        r"\end{table*}",
    ]) + "\n"  # fmt: skip


def _text(table: Table, escape: Callable[[str], str], bold: str) -> pd.DataFrame:
    """What a table shows, escaped; columns are numbered."""
    import pandas as pd

    shown = [[bold.format(escape(cell.text)) if cell.best else escape(cell.text) for cell in row] for row in table.rows]
    return pd.DataFrame(shown, columns=range(len(table.columns)), dtype=object)


def _markdown_escape(text: str) -> str:
    return _MARKDOWN.sub(lambda match: "\\" + match.group(), one_line(text))


def tex_escape(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in one_line(text))


def method_csv(tables: Iterable[Table], methods: Sequence[str]) -> str:
    """One row per method: `<table>:<column>` and its bounds `..:low`, `..:high`, of every table that has methods.

    Full precision; an empty field where nothing was measured.
    """
    import pandas as pd

    columns = {}
    for table in tables:
        if table.key.startswith(_NOT_BY_METHOD):
            continue
        for i, column in enumerate(table.columns[1:], 1):
            for suffix, part in (("", "value"), (":low", "low"), (":high", "high")):
                values = [getattr(row[i], part) for row in table.rows]
                columns[f"{table.key}:{column.key}{suffix}"] = pd.Series(values, table.row_keys, dtype=float)
    return to_csv(pd.DataFrame(columns, index=list(methods)).rename_axis("method").reset_index())


def to_csv(rows: pd.DataFrame | Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """CSV text with a header; floats in full precision, an empty field for None and NaN."""
    import pandas as pd

    given: Any = rows
    kind = None if isinstance(rows, pd.DataFrame) else object
    frame = pd.DataFrame(given, columns=None if columns is None else list(columns), dtype=kind)
    texts = frame.select_dtypes(exclude="number")  # numbers as objects would take five times the memory
    frame = frame.assign(**{str(name): texts[name].map(_csv_cell) for name in texts})
    return str(frame.to_csv(index=False, header=[_csv_cell(name) for name in frame], lineterminator="\n"))


def _csv_cell(value: Any) -> Any:
    """A text that a spreadsheet would compute gets an apostrophe in front, as one types it there; numbers stay."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        return bool(text.strip() == text and math.isfinite(float(text)))
    except ValueError:
        return False
