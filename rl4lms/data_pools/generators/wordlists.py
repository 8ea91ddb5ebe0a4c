"""Tables of words and phrases written as plain text."""

from __future__ import annotations

from collections.abc import Iterator


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
