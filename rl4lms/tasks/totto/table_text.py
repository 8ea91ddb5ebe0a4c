"""Tables as text for ToTTo, after its authors' baseline preprocessing (google-research-datasets/ToTTo).

A table is a list of rows of cells {"value", "is_header", "column_span"}. Headers are guessed: a cell's row headers are
the header cells to its left, its column headers the header cells above that share a column with it. Row spans are not
followed, as in the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Table = Sequence[Sequence[dict[str, Any]]]


class Headers:
    """The guessed headers of every cell of a table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._extents = [_column_extents(row) for row in table]
        self._header_cells = [
            [(*extent, cell["value"]) for extent, cell in zip(extents, row, strict=True) if cell["is_header"]]
            for extents, row in zip(self._extents, table, strict=True)
        ]

    def of_row(self, row: int, column: int) -> list[str]:
        """Values of the header cells before this one in its row."""
        return [cell["value"] for cell in self.table[row][:column] if cell["is_header"]]

    def of_column(self, row: int, column: int) -> list[str]:
        """Values of the header cells above that overlap this one's columns, from the top, left to right."""
        start, end = self._extents[row][column]
        return [value for cells in self._header_cells[:row] for s, e, value in cells if s < end and e > start]


def _column_extents(row: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """First column and the one after the last of each cell, counting the columns that the cells before it span."""
    extents, start = [], 0
    for cell in row:
        extents.append((start, start + cell["column_span"]))
        start += cell["column_span"]
    return extents


def subtable_text(
    table: Table, cells: Sequence[Sequence[int]], page_title: str | None, section_title: str | None
) -> str:
    """The highlighted cells alone, in their given order, each with its column and then its row headers."""
    headers = Headers(table)
    body = "".join(_cell_text("cell", headers, row, column) for row, column in cells)
    return f"{_titles(page_title, section_title)}<table> {body}</table>"


def full_table_text(
    table: Table, cells: Sequence[Sequence[int]], page_title: str | None, section_title: str | None
) -> str:
    """Every row; highlighted cells carry the tag highlighted_cell."""
    headers = Headers(table)
    highlighted = {(row, column) for row, column in cells}
    body = ""
    for r, row in enumerate(table):
        tags = ("highlighted_cell" if (r, c) in highlighted else "cell" for c in range(len(row)))
        body += "<row> " + "".join(_cell_text(tag, headers, r, c) for c, tag in enumerate(tags)) + "</row> "
    return f"{_titles(page_title, section_title)}<table> {body}</table>"


def _titles(page_title: str | None, section_title: str | None) -> str:
    page = f"<page_title> {page_title} </page_title> " if page_title else ""
    return page + (f"<section_title> {section_title} </section_title> " if section_title else "")


def _cell_text(tag: str, headers: Headers, row: int, column: int) -> str:
    text = f"<{tag}> {headers.table[row][column]['value']} "
    text += "".join(f"<col_header> {value} </col_header> " for value in headers.of_column(row, column))
    text += "".join(f"<row_header> {value} </row_header> " for value in headers.of_row(row, column))
    return f"{text}</{tag}> "
