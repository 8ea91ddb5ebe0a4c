"""ToTTo in its authors' fields: a table with highlighted cells, and sentences that state just those.

Page titles never cross splits. Some sets of headers occur in val and test only: their rows carry
`overlap_subset: false`, as in the original.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from rl4lms.core.seeding import derive_seed
from rl4lms.data_pools.generators.english import capitalised
from rl4lms.data_pools.generators.grammar import Grammar
from rl4lms.data_pools.generators.names import TOWNS, person
from rl4lms.data_pools.generators.splits import distinct
from rl4lms.data_pools.generators.totto_domains import DOMAINS, Domain
from rl4lms.data_pools.generators.totto_rows import Row
from rl4lms.data_pools.generators.wordlists import alternatives

Table = list[list[dict[str, Any]]]

_NAMESAKES = 0.5
_TOTAL_ROW = 0.3
_UNSUPPORTED = (
    "after a long break",
    "to the surprise of many",
    "as the local press reported",
    "for the first time in years",
)
_GRAMMARS = {d.name: Grammar({" ".join(keys): text for keys, text in d.facts.items()}) for d in DOMAINS}
_HEADERS = {d.name: {key: alternatives(text) for key, text in d.columns.items()} for d in DOMAINS}


class _Page(NamedTuple):
    """subject: the title without what tells namesakes apart, "Adam Cole" of "Adam Cole (actor)"."""

    domain: Domain
    title: str
    subject: str
    pronoun: str


def _page(rng: random.Random) -> _Page:
    domain = rng.choice(DOMAINS)
    if domain.occupation:
        name = person(rng)
        title = f"{name.full} ({domain.occupation})" if rng.random() < _NAMESAKES else name.full
        return _Page(domain, title, name.full, name.subject)
    if domain.name == "election":
        office = rng.choice(("mayoral", "council", "school board", "regional"))
        title = f"{rng.randint(1960, 2020)} {rng.choice(TOWNS)} {office} election"
        return _Page(domain, title, title, "it")
    title = f"W{''.join(rng.choice('BCDFGHKLMNPRSTVW') for _ in range(3))}-FM"
    return _Page(domain, title, title, "it")


def _is_held_out(headers: list[str]) -> bool:
    return zlib.crc32("|".join(headers).encode()) % 6 == 0


def _columns(rng: random.Random, domain: Domain, needed: tuple[str, ...], split: str) -> tuple[list[str], list[str]]:
    """(keys, headers) of a table that holds the needed columns; held-out sets of headers never in train."""
    while True:
        dropped = {key for key in domain.optional if key not in needed and rng.random() < 0.4}
        keys = [key for key in domain.columns if key not in dropped]
        headers = [rng.choice(_HEADERS[domain.name][key]) for key in keys]
        if split != "train" or not _is_held_out(headers):
            return keys, headers


def _cell(value: str, is_header: bool = False, column_span: int = 1) -> dict[str, Any]:
    return {"value": value, "is_header": is_header, "column_span": column_span, "row_span": 1}


def _total_row(rows: list[Row], keys: list[str]) -> list[dict[str, Any]]:
    """The sums of a career, under a header cell that spans the other columns."""
    sums = [_cell(str(sum(int(row[key]) for row in rows))) for key in ("apps", "goals")]
    return [_cell("Career total", is_header=True, column_span=len(keys) - 2), *sums]


def _table(rng: random.Random, domain: Domain, rows: list[Row], keys: list[str], headers: list[str]) -> Table:
    table = [[_cell(header, is_header=True) for header in headers]]
    table += [[_cell(row[key]) for key in keys] for row in rows]
    if domain.name == "career" and rng.random() < _TOTAL_ROW:
        table.append(_total_row(rows, keys))
    return table


def _stated(sentence: str, subject: str) -> str:
    return capitalised(sentence.replace("[page]", subject))


def _annotation(rng: random.Random, page: _Page, sentence: str) -> dict[str, str]:
    """The stages of ToTTo's annotation, from a sentence that still says [page]."""
    final = _stated(sentence, page.subject)
    shortened = final
    if page.domain.occupation:
        starts = sentence.startswith("[page]") or ", [page]" in sentence
        shortened = _stated(sentence, page.pronoun) if starts else final
    original = f"{shortened.removesuffix('.')}, {rng.choice(_UNSUPPORTED)}."
    return {
        "original_sentence": original,
        "sentence_after_deletion": shortened,
        "sentence_after_ambiguity": final,
        "final_sentence": final,
    }


def _sentences(rng: random.Random, page: _Page, keys: tuple[str, ...], row: Row, n: int) -> list[str]:
    """`n` different sentences that state the cells, with [page] for the subject."""
    verb = "won" if row.get("result") == "Won" else "was nominated for"
    bound = {**row, "verb": verb, "page": "[page]"}
    found: dict[str, None] = {}
    while len(found) < n:
        found[_GRAMMARS[page.domain.name].expand(" ".join(keys), rng, bound)] = None
    return list(found)


def _row(rng: random.Random, page: _Page, split: str) -> dict[str, Any]:
    domain = page.domain
    stated = rng.choice(tuple(domain.facts))
    keys, headers = _columns(rng, domain, stated, split)
    rows = domain.rows(rng, rng.randint(3, 7))
    chosen = rng.randrange(len(rows))
    n_references = 1 if split == "train" else rng.randint(2, 3)
    sentences = _sentences(rng, page, stated, rows[chosen], n_references)
    fields: dict[str, Any] = {
        "table": _table(rng, domain, rows, keys, headers),
        "table_webpage_url": f"https://example.org/wiki/{page.title.replace(' ', '_')}",
        "table_page_title": page.title,
        "table_section_title": rng.choice(domain.sections),
        "table_section_text": "",
        "highlighted_cells": [[chosen + 1, keys.index(key)] for key in stated],
        "example_id": derive_seed("totto", page.title, domain.name),
    }
    if split != "train":
        fields["overlap_subset"] = not _is_held_out(headers)
    fields["sentence_annotations"] = [_annotation(rng, page, sentence) for sentence in sentences]
    return fields


def rows(rng: random.Random, split: str) -> Iterator[dict[str, Any]]:
    for page in distinct(rng, split, _page, lambda page: page.title):
        yield _row(rng, page, split)
