"""CNN/DailyMail 3.0.0: `article`, `highlights` (one a line, " ." at the end, as published), `id`."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from rl4lms.data_pools.generators.english import capitalised, number_word
from rl4lms.data_pools.generators.grammar import Grammar, with_variants
from rl4lms.data_pools.generators.names import TOWNS, person
from rl4lms.data_pools.generators.splits import distinct
from rl4lms.data_pools.generators.wordlists import alternatives
from rl4lms.tasks.cnn_dailymail.events import EVENTS, Event

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_EXTRA = 0.5
_DATELINE = 0.5


class _Report(NamedTuple):
    event: Event
    facts: dict[str, str]
    has_extra: bool


def _grammar(event: Event) -> Grammar:
    rules = {"lead": event.lead, "end": event.end, "extra": event.extra[0], "extra highlight": event.extra[1]}
    rules |= {f"detail {i}": text for i, text in enumerate(event.details)}
    rules |= {f"highlight {i}": text for i, text in enumerate(event.highlights)}
    return Grammar(rules)


_GRAMMARS = {event.name: _grammar(event) for event in EVENTS}
_VALUES = {event.name: {fact: alternatives(v) for fact, v in event.facts.items()} for event in EVENTS}


def _common_facts(rng: random.Random) -> dict[str, str]:
    """People, places and numbers that any event may use."""
    hero, official = person(rng), person(rng)
    town, other_town = rng.sample(TOWNS, 2)
    return {
        "person": hero.full, "person last": hero.last, "official": official.full, "official last": official.last,
        "subject": hero.subject, "object": hero.object, "possessive": hero.possessive,
        "possessive2": official.possessive,
        "town": town, "other town": other_town, "day": rng.choice(_DAYS), "age": str(rng.randint(26, 79)),
        "count": number_word(rng.randint(2, 12)), "hour": f"{rng.randint(1, 12)} {rng.choice(('a.m.', 'p.m.'))}",
        "money": f"{rng.randint(1, 19) * 5},000", "young age": str(rng.randint(18, 34)),
        "jobs": str(rng.randint(2, 19) * 50), "crowd": f"{rng.randint(2, 30)},000",
        "high": number_word(rng.randint(3, 6)), "low": number_word(rng.randint(0, 2)),
        "years": f"{rng.randint(2, 19) * 100:,}",
        "homes": f"{rng.randint(2, 19) * 100:,}", "percent": str(rng.randint(51, 69)),
        "sample": f"{rng.randint(2, 30) * 100:,}",
    }  # fmt: skip


def _report(rng: random.Random) -> _Report:
    event = rng.choice(EVENTS)
    facts = _common_facts(rng)
    for fact, values in _VALUES[event.name].items():
        facts[fact] = rng.choice(values).replace("[other town]", facts["other town"])
    return _Report(event, facts, rng.random() < _EXTRA)


def _sentence(text: str) -> str:
    """Capitalised; a sentence that ends in "p.m." has no second period."""
    return capitalised(text).replace(".m..", ".m.")


def _row(rng: random.Random, report: _Report) -> dict[str, Any]:
    grammar, facts = _GRAMMARS[report.event.name], with_variants(report.facts)
    symbols = ["lead", *(f"detail {i}" for i in range(len(report.event.details)))]
    symbols += ["extra", "end"] if report.has_extra else ["end"]
    article = " ".join(_sentence(grammar.expand(symbol, rng, facts)) for symbol in symbols)
    if rng.random() < _DATELINE:
        article = f"{report.facts['town']} (CNN) -- {article}"
    symbols = [f"highlight {i}" for i in range(len(report.event.highlights))]
    symbols += ["extra highlight"] if report.has_extra else []
    highlights = "\n".join(f"{capitalised(grammar.expand(symbol, rng, facts))} ." for symbol in symbols)
    return {"article": article, "highlights": highlights, "id": hashlib.sha1(article.encode()).hexdigest()}


def _unit(report: _Report) -> str:
    return f"{report.event.name}|{'|'.join(report.facts.values())}"


def rows(rng: random.Random, split: str) -> Iterator[dict[str, Any]]:
    for report in distinct(rng, split, _report, _unit):
        yield _row(rng, report)
