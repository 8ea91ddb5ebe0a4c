"""What the translated sentences say: random noun phrases and clauses that make sense in both languages."""

from __future__ import annotations

import random
from dataclasses import replace

from rl4lms.data_pools.generators.german import Verb
from rl4lms.data_pools.generators.iwslt_clauses import (
    PRONOUNS,
    Clause,
    Negation,
    Nominal,
    Phrase,
    Tense,
    as_kein,
    name,
    noun_phrase,
    prepositional,
)
from rl4lms.data_pools.generators.iwslt_lexicon import (
    ADJECTIVES_OF,
    CITIES,
    DATIVE,
    DITRANSITIVE,
    INTRANSITIVE,
    LOCAL,
    MOODS,
    MOTION,
    NAMES,
    NOUNS,
    PLACEABLE,
    PLACES,
    PREPOSITIONAL,
    TRANSITIVE,
    TRAVEL,
    AdjectiveEntry,
    NounEntry,
    PlaceEntry,
    VerbEntry,
)
from rl4lms.data_pools.generators.wordlists import alternatives, pairs

BE = VerbEntry("be", Verb("sein", "ist", "gewesen", auxiliary="sein"), stative=True)
HAVE = VerbEntry("have", Verb("haben", "hat", "gehabt"), stative=True)


def _phrases(table: str) -> tuple[Phrase, ...]:
    return tuple(Phrase(english, german) for english, german in pairs(table))


_NOW = _phrases("today = heute; every day = jeden Tag; in the evening = am Abend; in the summer = im Sommer")
_THEN = _phrases("yesterday = gestern; last week = letzte Woche; last year = letztes Jahr; on Monday = am Montag")
_SOON = _phrases("tomorrow = morgen; next week = nächste Woche; soon = bald; this evening = heute Abend")
_LATER = (_NOW[0], _SOON[0], _SOON[1], _SOON[3])
_TIMES: dict[Tense, tuple[Phrase, ...]] = {
    "present": _NOW, "past": _THEN, "could": _THEN, "had to": _THEN, "wanted to": _THEN, "will": _SOON,
    "should": _LATER, "may": _LATER, "have to": (_NOW[1], *_LATER), "want to": _LATER, "can": _LATER,
}  # fmt: skip
_ADVERBS = _phrases("often = oft; always = immer; never = nie")
_MANNERS = _phrases("by train = mit dem Zug; by bus = mit dem Bus")
_COMPANIONS = _phrases("alone = allein; with the children = mit den Kindern")
_NOT_BY_CAR = frozenset(("garden", "kitchen"))

_TENSES: tuple[Tense, ...] = (
    "present", "present", "present", "present", "progressive", "progressive", "past", "past", "past", "past", "past",
    "will", "will", "can", "could", "should", "may", "have to", "had to", "want to", "wanted to",
)  # fmt: skip
# What nobody does on purpose: not wanted, not ordered.
_UNINTENDED = frozenset(
    alternatives("lose|find|need|understand|hear|see|remember|wake up|dream of|look forward to|live")
)
_ON_PURPOSE: tuple[Tense, ...] = ("should", "may", "have to", "had to", "want to", "wanted to")
_PLAIN_TENSE: dict[Tense, Tense] = {
    "progressive": "present", "can": "present", "should": "present", "may": "present", "have to": "present",
    "want to": "present", "could": "past", "had to": "past", "wanted to": "past",
}  # fmt: skip
_POSSESSIVES = ("my", "our", "his", "her", "your")
_SINGLE = frozenset(("father", "mother"))
_ENUMERABLE = frozenset(("text", "writing", "idea", "song"))
_YOUTH = frozenset(("child", "girl"))
_NOT_OF_YOUTH = frozenset(("young", "old"))
_NOT_OWNED = frozenset(("landscape", "building", "transport", "animal", "drink", "tale"))


def chance(rng: random.Random, probability: float) -> bool:
    return rng.random() < probability


def _negation(negated: bool, kein: bool = False) -> Negation:
    return ("kein" if kein else "nicht") if negated else ""


def _adjective(rng: random.Random, noun: NounEntry, probability: float) -> AdjectiveEntry | None:
    if not chance(rng, probability):
        return None
    adjective = rng.choice(ADJECTIVES_OF[noun.kind])
    return None if noun.english in _YOUTH and adjective.english in _NOT_OF_YOUTH else adjective


def person_phrase(rng: random.Random, plurals: float = 0.15) -> Nominal:
    """Someone by trade ("the young doctor") or by kinship ("my sister")."""
    if chance(rng, 0.4):
        noun = rng.choice(NOUNS["kin"])
        plural = noun.english not in _SINGLE and chance(rng, plurals)
        return noun_phrase(noun, rng.choice(_POSSESSIVES), _adjective(rng, noun, 0.15), plural)
    return trade_phrase(rng, ("the", "the", "the", "this", "a"), plurals)


def trade_phrase(rng: random.Random, determiners: tuple[str, ...], plurals: float) -> Nominal:
    noun = rng.choice(NOUNS["person"])
    adjective = _adjective(rng, noun, 0.35)
    if chance(rng, plurals):
        return noun_phrase(noun, rng.choice(("the", "the", "two")), adjective, plural=True)
    return noun_phrase(noun, rng.choice(determiners), adjective)


def subject_phrase(rng: random.Random) -> Nominal:
    draw = rng.random()
    if draw < 0.4:
        return rng.choice(tuple(PRONOUNS.values()))
    if draw < 0.55:
        return name(*rng.choice(NAMES))
    return person_phrase(rng)


def pronoun_for(nominal: Nominal) -> Nominal:
    """The personal pronoun that refers to a person (`owner` must not be empty)."""
    return PRONOUNS[nominal.owner]


def _person_object(rng: random.Random, kind: str, subject: Nominal, pronouns: bool) -> Nominal:
    if pronouns and chance(rng, 0.25):
        others = [p for p in PRONOUNS.values() if p.owner != subject.owner and p.person[0] != subject.person[0]]
        if others:
            return rng.choice(others)
    noun = rng.choice([n for n in NOUNS[kind] if n.english not in subject.english])
    plural = chance(rng, 0.2)
    if kind == "kin":
        plural = plural and noun.english not in _SINGLE
        return noun_phrase(noun, subject.owner or "my", _adjective(rng, noun, 0.2), plural)
    return noun_phrase(noun, rng.choice(("the", "the", "this")), _adjective(rng, noun, 0.4), plural)


def object_phrase(
    rng: random.Random, kinds: tuple[str, ...], subject: Nominal, pronouns: bool = False, negated: bool = False
) -> tuple[Nominal, bool]:
    """An object of one of `kinds`, and whether its German carries the negation (kein)."""
    kind = rng.choice(kinds)
    if kind in ("person", "kin"):
        return _person_object(rng, kind, subject, pronouns), False
    noun = rng.choice(NOUNS[kind])
    adjective = _adjective(rng, noun, 0.4)
    if kind == "drink":
        nominal = noun_phrase(noun, "", adjective)
        return (as_kein(nominal, noun, adjective), True) if negated else (nominal, False)
    plural = chance(rng, 0.25)
    own = "the" if kind in _NOT_OWNED else subject.owner or "the"
    options = ("", "the", own, "two", "three") if plural else ("the", "the", "the", "a", "a", "a", own, own, "this")
    determiner = "every" if kind in _ENUMERABLE and not plural and chance(rng, 0.15) else rng.choice(options)
    if negated and determiner in ("two", "three", "every"):
        determiner = "the"
    nominal = noun_phrase(noun, determiner, adjective, plural)
    if negated and determiner in ("a", ""):
        return as_kein(nominal, noun, adjective, plural), True
    return nominal, False


def _place_phrase(rng: random.Random, place: PlaceEntry) -> Nominal:
    determiner = "a" if chance(rng, 0.15) else "the"
    return noun_phrase(place.noun, determiner, _adjective(rng, place.noun, 0.25))


def location(rng: random.Random) -> Phrase:
    if chance(rng, 0.2):
        english, german = rng.choice(CITIES)
        return Phrase(f"in {english}", f"in {german}")
    place = rng.choice(PLACES)
    return prepositional(place.english_at, place.german_at, _place_phrase(rng, place), "dat")


def direction(rng: random.Random, by_vehicle: bool = False) -> Phrase:
    place = rng.choice(PLACES)
    while by_vehicle and place.noun.english in _NOT_BY_CAR:
        place = rng.choice(PLACES)
    return prepositional(place.english_to, place.german_to, _place_phrase(rng, place), place.case_to)


def _transitive(rng: random.Random, subject: Nominal, negated: bool) -> Clause:
    verb = rng.choice(TRANSITIVE)
    accusative, kein = object_phrase(rng, verb.kinds, subject, " " not in verb.english, negated)
    place = location(rng) if verb.english in PLACEABLE and chance(rng, 0.3) else None
    return Clause(subject, verb, accusative=accusative, place=place, negation=_negation(negated, kein))


def _dative(rng: random.Random, subject: Nominal, negated: bool) -> Clause:
    verb = rng.choice(DATIVE)
    dative, _ = object_phrase(rng, ("person", "kin"), subject, pronouns=True)
    return Clause(subject, verb, dative=dative, negation=_negation(negated))


def _ditransitive(rng: random.Random, subject: Nominal, negated: bool) -> Clause:
    verb = rng.choice(DITRANSITIVE)
    dative, _ = object_phrase(rng, ("person", "kin"), subject, pronouns=True)
    accusative, kein = object_phrase(rng, verb.kinds, subject, negated=negated)
    return Clause(subject, verb, dative=dative, accusative=accusative, negation=_negation(negated, kein))


def _prepositional(rng: random.Random, subject: Nominal, negated: bool) -> Clause:
    verb = rng.choice(PREPOSITIONAL)
    target, _ = object_phrase(rng, verb.kinds, subject)
    complement = prepositional("", verb.preposition, target, verb.case)
    return Clause(subject, verb, complement=complement, negation=_negation(negated))


def motion(rng: random.Random, subject: Nominal, negated: bool = False) -> Clause:
    negation = _negation(negated)
    if chance(rng, 0.35):
        verb = rng.choice(TRAVEL)
        english, german = rng.choice(CITIES)
        place = rng.choice(_MANNERS) if verb.english == "travel" and chance(rng, 0.5) else None
        target = Phrase(f"to {english}", f"nach {german}")
        if place is not None:
            target = Phrase(f"{target.english} {place.english}", f"{place.german} {target.german}")
        return Clause(subject, verb, complement=target, negation=negation)
    verb = rng.choice(MOTION)
    target = direction(rng, verb.english == "drive")
    return Clause(subject, verb, complement=target, negation=negation)


def _local(rng: random.Random, subject: Nominal, negated: bool) -> Clause:
    return Clause(subject, rng.choice(LOCAL), place=location(rng), negation=_negation(negated))


def _intransitive(rng: random.Random, subject: Nominal, negated: bool) -> Clause:
    verb = rng.choice(INTRANSITIVE)
    place = rng.choice(_COMPANIONS) if verb.english in ("go shopping", "watch TV") else None
    return Clause(subject, verb, place=place, negation=_negation(negated))


_FRAMES = (*(_transitive,) * 8, *(_dative,) * 2, *(_ditransitive,) * 4, *(_prepositional,) * 3, *(motion,) * 3,
           *(_local,) * 2, *(_intransitive,) * 2)  # fmt: skip


def action(rng: random.Random, subject: Nominal, negatable: bool = False) -> Clause:
    """What `subject` does, in the present, without a time."""
    return rng.choice(_FRAMES)(rng, subject, negatable and chance(rng, 0.2))


def errand(rng: random.Random, subject: Nominal) -> Clause:
    """Something to be done on purpose, not bound to a place."""
    frame = rng.choice((_transitive, _transitive, _transitive, _dative, _ditransitive, _ditransitive, _prepositional))
    clause = frame(rng, subject, False)
    while clause.verb.english in _UNINTENDED:
        clause = frame(rng, subject, False)
    return replace(clause, place=None)


def event(rng: random.Random, subject: Nominal) -> Clause:
    """Something with a beginning and an end."""
    return rng.choice((_transitive, _transitive, _ditransitive, motion, _intransitive))(rng, subject, False)


def set_in_time(rng: random.Random, clause: Clause, tenses: tuple[Tense, ...] = _TENSES, times: float = 0.5) -> Clause:
    """`clause` in one of `tenses`, with a fitting time or frequency at the rate `times`."""
    tense = rng.choice(tenses)
    if clause.verb.stative or (tense in _ON_PURPOSE and clause.verb.english in _UNINTENDED):
        tense = _PLAIN_TENSE.get(tense, tense)
    clause = replace(clause, tense=tense)
    if tense == "progressive" or (clause.verb.stative and tense != "past"):
        return clause
    if tense == "could":
        times = 1.0
    if tense == "present" and not clause.negation and chance(rng, 0.35):
        return replace(clause, adverb=rng.choice(_ADVERBS))
    return replace(clause, time=rng.choice(_TIMES[tense])) if chance(rng, times) else clause


def mood(rng: random.Random, subject: Nominal, tense: Tense = "present") -> Clause:
    """Being tired, hungry, ..."""
    feeling = rng.choice(MOODS)
    return Clause(subject, BE, tense, complement=Phrase(feeling.english, feeling.predicate))
