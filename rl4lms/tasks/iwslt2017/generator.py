"""IWSLT 2017: English sentences and their German translations, put together from aligned phrases.

No form is derived: each phrase stands in grammar.txt in both languages and in the case that its place asks for, and
a pattern holds the word order of both. So the German is right by construction.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from rl4lms.data_pools.generators.english import capitalised
from rl4lms.data_pools.generators.splits import distinct
from rl4lms.data_pools.generators.wordlists import read_sections

_PLACE = re.compile(r"[A-Z]{2,}")


class Pair(NamedTuple):
    """The same words in both languages."""

    english: str
    german: str


class Topic(NamedTuple):
    """verbs: their forms (DOES, DID, DO in English; DOES, DONE, DO in German); things: objects of each of them."""

    verbs: tuple[Pair, ...]
    things: tuple[Pair, ...]


def _pairs(lines: tuple[str, ...]) -> tuple[Pair, ...]:
    return tuple(Pair(*line.split(" = ")) for line in lines)


def _topic(lines: tuple[str, ...]) -> Topic:
    """Only verbs have several forms."""
    pairs = _pairs(lines)
    return Topic(tuple(p for p in pairs if "," in p.english), tuple(p for p in pairs if "," not in p.english))


_SECTIONS = list(read_sections(__package__, "grammar.txt"))
PHRASES = {name: _pairs(lines) for name, lines in _SECTIONS if name != "topic"}
TOPICS = tuple(_topic(lines) for name, lines in _SECTIONS if name == "topic")


def filled(pattern: str, phrases: dict[str, str]) -> str:
    """The pattern with the phrase of each of its words in capitals, its first letter a capital."""
    return capitalised(_PLACE.sub(lambda place: phrases[place[0]], pattern))


def draw_pair(rng: random.Random) -> Pair:
    pattern = rng.choice(PHRASES["pattern"])
    topic = rng.choice(TOPICS)
    drawn = {name.upper(): rng.choice(PHRASES[name]) for name in ("who", "when", "past")}
    drawn["WHAT"] = rng.choice(topic.things)
    verb = rng.choice(topic.verbs)
    english = dict(zip(("DOES", "DID", "DO"), verb.english.split(", "), strict=True))
    german = dict(zip(("DOES", "DONE", "DO"), verb.german.split(", "), strict=True))
    return Pair(
        filled(pattern.english, english | {place: pair.english for place, pair in drawn.items()}),
        filled(pattern.german, german | {place: pair.german for place, pair in drawn.items()}),
    )


def rows(rng: random.Random, split: str) -> Iterator[dict[str, Any]]:
    for english, german in distinct(rng, split, draw_pair, lambda pair: pair.english):
        yield {"translation": {"en": english, "de": german}}
