"""ToTTo in its authors' fields: a table with highlighted cells, and sentences that state just those.

Page titles never cross splits. Some sets of headers occur in val and test only: their rows carry
`overlap_subset: false`, as in the original.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from rl4lms.core.seeding import derive_seed
from rl4lms.data_pools.generators.english import capitalised
from rl4lms.data_pools.generators.names import Name, person
from rl4lms.data_pools.generators.splits import distinct
from rl4lms.data_pools.generators.wordlists import alternatives, read_sections

_SLOT = re.compile(r"\[(\w+)\]")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_NAMESAKES = 0.5
_UNSUPPORTED = ("after a long break", "to the surprise of many", "as the press reported", "for the first time in years")


class Column(NamedTuple):
    headers: tuple[str, ...]
    values: tuple[str, ...]


class Domain(NamedTuple):
    """A section of grammar.txt. columns: by key; facts: the keys of the stated columns, in order -> sentences."""

    occupation: str
    sections: tuple[str, ...]
    columns: dict[str, Column]
    facts: dict[tuple[str, ...], tuple[str, ...]]


class _Page(NamedTuple):
    """title: the name, for some followed by what tells namesakes apart, as in "Adam Cole (actor)"."""

    domain: Domain
    title: str
    name: Name


def _values(text: str) -> tuple[str, ...]:
    numbers = _RANGE.fullmatch(text)
    return tuple(map(str, range(int(numbers[1]), int(numbers[2]) + 1))) if numbers else alternatives(text)


def _domain(occupation: str, lines: tuple[str, ...]) -> Domain:
    section, *rest = lines
    columns: dict[str, Column] = {}
    facts: dict[tuple[str, ...], tuple[str, ...]] = {}
    for line in rest:
        key, is_column, text = line.partition(": ")
        if is_column:
            headers, _, values = text.partition(" = ")
            columns[key] = Column(alternatives(headers), _values(values))
        else:
            stated = tuple(key for key in columns if f"[{key}]" in line)
            facts[stated] = (*facts.get(stated, ()), line)
    return Domain(occupation, alternatives(section.removeprefix("section: ")), columns, facts)


DOMAINS = tuple(_domain(*section) for section in read_sections(__package__, "grammar.txt"))


def _page(rng: random.Random) -> _Page:
    domain, name = rng.choice(DOMAINS), person(rng)
    return _Page(domain, f"{name.full} ({domain.occupation})" if rng.random() < _NAMESAKES else name.full, name)


def is_held_out(headers: list[str]) -> bool:
    """Whether these headers of a table, side by side, never occur in training rows."""
    return zlib.crc32("|".join(headers).encode()) % 6 == 0


def _headers(rng: random.Random, domain: Domain, split: str) -> list[str]:
    while True:
        headers = [rng.choice(column.headers) for column in domain.columns.values()]
        if split != "train" or not is_held_out(headers):
            return headers


def _lines(rng: random.Random, domain: Domain) -> list[dict[str, str]]:
    """3 to 7 rows of values by column key, in the order of their years, which stand first."""
    n = rng.randint(3, 7)
    columns = [rng.sample(column.values, n) for column in domain.columns.values()]
    columns[0].sort()
    return [dict(zip(domain.columns, values, strict=True)) for values in zip(*columns, strict=True)]


def _cell(value: str, is_header: bool = False) -> dict[str, Any]:
    return {"value": value, "is_header": is_header, "column_span": 1, "row_span": 1}


def _stated(sentence: str, facts: dict[str, str]) -> str:
    return capitalised(_SLOT.sub(lambda slot: facts[slot[1]], sentence))


def _annotation(rng: random.Random, name: Name, sentence: str, line: dict[str, str]) -> dict[str, str]:
    """The stages of ToTTo's annotation, in which the name replaces a pronoun."""
    shortened = _stated(sentence, line | {"page": name.object if "by [page]" in sentence else name.subject})
    final = _stated(sentence, line | {"page": name.full})
    return {
        "original_sentence": f"{shortened.removesuffix('.')}, {rng.choice(_UNSUPPORTED)}.",
        "sentence_after_deletion": shortened,
        "sentence_after_ambiguity": final,
        "final_sentence": final,
    }


def _row(rng: random.Random, page: _Page, split: str) -> dict[str, Any]:
    domain = page.domain
    headers, lines = _headers(rng, domain, split), _lines(rng, domain)
    chosen = rng.randrange(len(lines))
    stated = rng.choice(tuple(domain.facts))
    sentences = rng.sample(domain.facts[stated], 1 if split == "train" else rng.randint(2, 3))
    fields: dict[str, Any] = {
        "table": [[_cell(h, is_header=True) for h in headers], *([_cell(v) for v in line.values()] for line in lines)],
        "table_webpage_url": f"https://example.org/wiki/{page.title.replace(' ', '_')}",
        "table_page_title": page.title,
        "table_section_title": rng.choice(domain.sections),
        "table_section_text": "",
        "highlighted_cells": [[chosen + 1, i] for i, key in enumerate(domain.columns) if key in stated],
        "example_id": derive_seed("totto", page.title, domain.occupation),
    }
    if split != "train":
        fields["overlap_subset"] = not is_held_out(headers)
    fields["sentence_annotations"] = [_annotation(rng, page.name, s, lines[chosen]) for s in sentences]
    return fields


def rows(rng: random.Random, split: str) -> Iterator[dict[str, Any]]:
    for page in distinct(rng, split, _page, lambda page: page.title):
        yield _row(rng, page, split)
