"""Tables of words and phrases written as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources


def words(text: str) -> tuple[str, ...]:
    """ "red green" -> ("red", "green")."""
    return tuple(text.split())


def alternatives(text: str) -> tuple[str, ...]:
    """The phrases of a text, one a line or separated by "|"."""
    return tuple(phrase for line in text.split("\n") for phrase in map(str.strip, line.split("|")) if phrase)


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """(left, right) of each "left = right", one a line or separated by ";"."""
    for entry in text.replace("\n", ";").split(";"):
        if entry.strip():
            left, _, right = entry.partition("=")
            yield left.strip(), right.strip()


def read_sections(package: str, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(heading, lines) of each "[heading]" of a package's text file.

    Empty lines and comments (#) are left out; a line that ends in a backslash goes on in the next.
    """
    text = resources.files(package).joinpath(name).read_text("utf-8").replace("\\\n", "")
    heading, lines = "", list[str]()
    for line in map(str.strip, text.splitlines()):
        if re.fullmatch(r"\[\w+\]", line):
            if heading:
                yield heading, tuple(lines)
            heading, lines = line[1:-1], []
        elif line and not line.startswith("#"):
            lines.append(line)
    yield heading, tuple(lines)
