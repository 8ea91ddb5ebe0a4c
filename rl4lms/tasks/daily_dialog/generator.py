"""DailyDialog: `dialog` (utterances with spaced punctuation), `act` (1-4) and `emotion` (0-6) of each utterance."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from rl4lms.data_pools.generators.english import capitalised
from rl4lms.data_pools.generators.grammar import Grammar
from rl4lms.data_pools.generators.names import MEN, SURNAMES, TOWNS, WOMEN
from rl4lms.data_pools.generators.splits import distinct
from rl4lms.data_pools.generators.wordlists import alternatives
from rl4lms.tasks.daily_dialog.scenes import SCENES

_MARK = re.compile(r"([1-4])(?::([0-6]))? (?=\D)")
_STREETS = ("Main", "Park", "River", "Hill", "Station", "Garden", "Church", "Bridge")
_NUMBERS = ("two", "three", "four", "five", "six", "seven")
_HOURS = (*_NUMBERS, "eight", "nine", "ten")
_MIDDLES = (0, 1, 1, 1, 2, 2)
_CUT_LAST = 0.2


class _Utterance(NamedTuple):
    text: str
    act: int
    emotion: int


class _Dialog(NamedTuple):
    utterances: tuple[_Utterance, ...]

    @property
    def text(self) -> str:
        return "\n".join(u.text for u in self.utterances)


Exchange = tuple[tuple[_Utterance, ...], tuple[_Utterance, ...]]


def _side(text: str) -> tuple[_Utterance, ...]:
    utterances = []
    act = emotion = 0
    for alternative in text.split(" / "):
        mark = _MARK.match(alternative.strip())
        if mark is not None:
            act, emotion = int(mark[1]), int(mark[2] or 0)
        utterances.append(_Utterance(alternative.strip()[mark.end() if mark else 0 :], act, emotion))
    return tuple(utterances)


def _exchanges(table: str) -> tuple[Exchange, ...]:
    lines = table.strip().splitlines()
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return tuple((_side(first), _side(second.removeprefix("> "))) for first, second in pairs)


_EXCHANGES = {
    name: tuple(_exchanges(table) for table in (scene.opening, scene.middle, scene.closing))
    for name, scene in SCENES.items()
}
_SCENE_FACTS = {name: {fact: alternatives(v) for fact, v in scene.facts.items()} for name, scene in SCENES.items()}
_TEXT = Grammar({u.text: u.text for parts in _EXCHANGES.values() for p in parts for e in p for side in e for u in side})


def _facts(rng: random.Random, scene: str) -> dict[str, str]:
    """What the speakers talk about; the same throughout a dialogue."""
    first, first2 = rng.sample(rng.choice((WOMEN, MEN)), 2)
    facts = {
        "first": first, "first2": first2, "last": rng.choice(SURNAMES), "title": rng.choice(("Mr.", "Mr.", "Dr.")),
        "city": rng.choice(TOWNS), "number": rng.choice(_NUMBERS), "hour": rng.choice(_HOURS),
        "minutes": str(rng.randint(2, 12) * 5), "price": str(rng.randint(2, 19) * 5), "street": rng.choice(_STREETS),
        "digits": " ".join(str(rng.randint(100, 999)) for _ in range(2)),
    }  # fmt: skip
    for fact, values in _SCENE_FACTS[scene].items():
        value = rng.choice(values)
        facts[fact] = value.replace("[first]", first2).replace("[number]", facts["number"])
    for again in ("color", "chore"):
        if again in facts:
            facts[f"{again}2"] = rng.choice([v for v in _SCENE_FACTS[scene][again] if v != facts[again]])
    return facts


def _said(rng: random.Random, exchange: Exchange, facts: dict[str, str]) -> Iterator[_Utterance]:
    for side in exchange:
        utterance = rng.choice(side)
        text = _TEXT.expand(utterance.text, rng, facts)
        yield utterance._replace(text=capitalised(text))


def _dialog(rng: random.Random) -> _Dialog:
    """4, 6 or 8 turns, at times without the last answer."""
    scene = rng.choice(tuple(SCENES))
    facts = _facts(rng, scene)
    opening, middle, closing = _EXCHANGES[scene]
    exchanges = [rng.choice(opening), *rng.sample(middle, rng.choice(_MIDDLES)), rng.choice(closing)]
    utterances = [utterance for exchange in exchanges for utterance in _said(rng, exchange, facts)]
    if len(utterances) > 4 and rng.random() < _CUT_LAST:
        utterances.pop()
    return _Dialog(tuple(utterances))


def rows(rng: random.Random, split: str) -> Iterator[dict[str, Any]]:
    for dialog in distinct(rng, split, _dialog, lambda dialog: dialog.text):
        yield {
            "dialog": [u.text for u in dialog.utterances],
            "act": [u.act for u in dialog.utterances],
            "emotion": [u.emotion for u in dialog.utterances],
        }
