"""IWSLT 2017 English-German: `translation: {en, de}`; short spoken sentences whose German follows its grammar."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from rl4lms.data_pools.generators.english import capitalised
from rl4lms.data_pools.generators.german import Verb, prepositional, relative_pronoun
from rl4lms.data_pools.generators.iwslt_clauses import (
    IT,
    PRONOUNS,
    Clause,
    Negation,
    Nominal,
    Order,
    Phrase,
    Tense,
    as_kein,
    english_clause,
    english_infinitive,
    german_bracket,
    german_clause,
    german_zu_infinitive,
    noun_phrase,
)
from rl4lms.data_pools.generators.iwslt_content import (
    BE,
    HAVE,
    action,
    chance,
    errand,
    event,
    mood,
    motion,
    person_phrase,
    pronoun_for,
    set_in_time,
    subject_phrase,
    trade_phrase,
)
from rl4lms.data_pools.generators.iwslt_lexicon import ADJECTIVES_OF, LOCAL, NOUNS, PLACES, TRANSITIVE, VerbEntry
from rl4lms.data_pools.generators.splits import distinct
from rl4lms.data_pools.generators.wordlists import words

MIN_WORDS, MAX_WORDS = 5, 12

_KNOW = VerbEntry("know", Verb("wissen", "weiß", "gewusst"))
_SAY = VerbEntry("say", Verb("sagen", "sagt", "gesagt"))
_BELIEVE = VerbEntry("believe", Verb("glauben", "glaubt", "geglaubt"))
_HOPE = VerbEntry("hope", Verb("hoffen", "hofft", "gehofft"))
_ASK = VerbEntry("ask", Verb("fragen", "fragt", "gefragt"))
_TRY = VerbEntry("try", Verb("versuchen", "versucht", "versucht"))
_DECIDE = VerbEntry("decide", Verb("beschließen", "beschließt", "beschlossen"))
_PROMISE = VerbEntry("promise", Verb("versprechen", "verspricht", "versprochen"))
_FORGET = VerbEntry("forget", Verb("vergessen", "vergisst", "vergessen"))
_BEGIN = VerbEntry("begin", Verb("fangen", "fängt", "angefangen", prefix="an"))
_RAIN = VerbEntry("rain", Verb("regnen", "regnet", "geregnet"))
_SNOW = VerbEntry("snow", Verb("schneien", "schneit", "geschneit"))
_SHINE = VerbEntry("shine", Verb("scheinen", "scheint", "geschienen"))
_LIE = VerbEntry("be", Verb("liegen", "liegt", "gelegen"))
_STAND = VerbEntry("be", Verb("stehen", "steht", "gestanden"))
_LAY = VerbEntry("put", Verb("legen", "legt", "gelegt"))
_SET = VerbEntry("put", Verb("stellen", "stellt", "gestellt"))
_LIVE = next(verb for verb in LOCAL if verb.english == "live")

_SUN = Nominal("the sun", "the sun", ("die Sonne", "die Sonne", "der Sonne"), gender="f")
_TIME = Nominal("time", "time", ("Zeit", "Zeit", "Zeit"), gender="f")
_NO_TIME = Nominal("no time", "no time", ("keine Zeit", "keine Zeit", "keiner Zeit"), gender="f")
_LYING = ("book", "letter", "newspaper", "key", "bag", "jacket", "shirt")
_STANDING = ("bottle", "lamp", "suitcase", "box", "radio", "computer")
_SPOTS = (("on", "auf"), ("under", "unter"), ("next to", "neben"), ("behind", "hinter"), ("in front of", "vor"))
_NEVER_COMPARED = frozenset(words("red blue black white broken tired hungry"))
_PAST_AND_PRESENT: tuple[Tense, ...] = ("present", "past", "past")
_PLAIN: tuple[Tense, ...] = ("present", "past", "past", "will", "can", "have to", "want to")
_FINITE: tuple[Tense, ...] = ("present", "past", "past", "will", "can", "want to", "have to")

Draw = Callable[[random.Random], Phrase]


def _statement(rng: random.Random) -> Phrase:
    clause = set_in_time(rng, action(rng, subject_phrase(rng), negatable=True))
    fronted = clause.time is not None and chance(rng, 0.35)
    return Phrase(english_clause(clause, fronted), german_clause(clause, fronted=fronted))


def _question(rng: random.Random) -> Phrase:
    subject = PRONOUNS["your"] if chance(rng, 0.5) else subject_phrase(rng)
    if subject.english == "I":
        subject = PRONOUNS["her"]
    clause = replace(set_in_time(rng, action(rng, subject), _PLAIN, times=0.35), adverb=None)
    word, wort = rng.choice((("", ""), ("", ""), ("why", "warum"), ("when", "wann")))
    if word == "when":
        clause = replace(clause, time=None)
    english = f"{word} {english_clause(clause, question=True)}?"
    return Phrase(english.strip(), f"{wort} {german_clause(clause, 'first')}?".strip())


def _that(rng: random.Random) -> Phrase:
    """A statement or a question as the object of knowing, saying, asking, ..."""
    content = set_in_time(rng, action(rng, subject_phrase(rng)), _FINITE, times=0.35)
    speaker = subject_phrase(rng)
    while speaker.owner == content.subject.owner or speaker.person[0] == content.subject.person[0] == "1":
        speaker = subject_phrase(rng)
    verb = rng.choice((_KNOW, _KNOW, _SAY, _BELIEVE, _HOPE, _ASK))
    tense: Tense = "past" if verb in (_SAY, _ASK) and chance(rng, 0.6) else "present"
    negated = verb is _KNOW and chance(rng, 0.5)
    matrix = Clause(speaker, verb, tense, negation="nicht" if negated else "")
    link, binder = ("whether", "ob") if negated or verb is _ASK else ("that", "dass")
    if verb is _HOPE and chance(rng, 0.3):
        matrix = Clause(IT, BE, complement=Phrase(*rng.choice((("nice", "schön"), ("good", "gut"), ("clear", "klar")))))
    return Phrase(
        f"{english_clause(matrix)} {link} {english_clause(content)}",
        f"{german_clause(matrix)}, {binder} {german_clause(content, 'last')}",
    )


def _because(rng: random.Random) -> Phrase:
    subject = _referable(rng)
    main = set_in_time(rng, action(rng, subject, negatable=True), _PAST_AND_PRESENT, times=0.2)
    tense, other = main.tense, pronoun_for(subject)
    draw = rng.random()
    if draw < 0.35:
        reason = mood(rng, other, tense)
    elif draw < 0.5:
        reason = Clause(other, HAVE, tense, accusative=_NO_TIME)
    else:
        tenses: tuple[Tense, ...] = ("wanted to", "had to") if tense == "past" else ("want to", "have to")
        reason = set_in_time(rng, errand(rng, other), tenses, times=0.0)
    link, binder = rng.choice((("because", "weil"), ("because", "weil"), ("although", "obwohl")))
    return Phrase(
        f"{english_clause(main)} {link} {english_clause(reason)}",
        f"{german_clause(main)}, {binder} {german_clause(reason, 'last')}",
    )


def _referable(rng: random.Random) -> Nominal:
    """A subject that a pronoun can take up in both languages."""
    subject = subject_phrase(rng)
    while not subject.owner:
        subject = subject_phrase(rng)
    return subject


def _condition(rng: random.Random, subject: Nominal) -> Clause:
    weather = (Clause(IT, _RAIN), Clause(IT, _SNOW), Clause(_SUN, _SHINE))
    own = (mood(rng, subject), Clause(subject, HAVE, accusative=_TIME))
    return rng.choice((*weather, *own))


def _if(rng: random.Random) -> Phrase:
    subject = _referable(rng)
    condition = _condition(rng, subject)
    tenses: tuple[Tense, ...] = ("present", "will", "can", "have to", "want to")
    follower = pronoun_for(subject) if condition.subject is subject else subject
    main = set_in_time(rng, action(rng, follower), tenses, times=0.0)
    main = replace(main, adverb=None)
    return Phrase(
        f"if {english_clause(condition)}, {english_clause(main)}",
        f"wenn {german_clause(condition, 'last')}, {german_clause(main, 'first')}",
    )


def _meanwhile(rng: random.Random) -> Phrase:
    """Two actions linked in time, the subordinate one first or second."""
    subject = _referable(rng)
    link, binder = rng.choice((("before", "bevor"), ("while", "während"), ("as soon as", "sobald"), ("when", "wenn")))
    first = event(rng, subject)
    second = event(rng, pronoun_for(subject) if link != "while" else person_phrase(rng))
    if chance(rng, 0.5):
        return Phrase(
            f"{link} {english_clause(first)}, {english_clause(second)}",
            f"{binder} {german_clause(first, 'last')}, {german_clause(second, 'first')}",
        )
    return Phrase(
        f"{english_clause(first)} {link} {english_clause(second)}",
        f"{german_clause(first)}, {binder} {german_clause(second, 'last')}",
    )


def _relative(rng: random.Random) -> Phrase:
    """A person who does something, or a thing that someone dealt with, and what is to be said of it."""
    if chance(rng, 0.5):
        head = trade_phrase(rng, ("the", "the", "a"), plurals=0.2)
        pronoun = Nominal("who", "who", (relative_pronoun(head.gender, "nom"), "", ""), head.person, head.owner)
        aside = set_in_time(rng, action(rng, pronoun), ("present", "past"), times=0.0)
        aside = replace(aside, adverb=None)
        english, german = english_clause(aside), german_clause(aside, "last")
        main = rng.choice((mood(rng, head), motion(rng, head), Clause(head, _LIVE, place=_in_city(rng))))
    else:
        verb = rng.choice([v for v in TRANSITIVE if "person" not in v.kinds and "drink" not in v.kinds])
        speaker = subject_phrase(rng)
        kind = rng.choice([k for k in verb.kinds if k not in ("kin", "person")])
        noun = rng.choice(NOUNS[kind])
        plural = chance(rng, 0.3)
        head = noun_phrase(noun, "the", plural=plural)
        aside = Clause(speaker, verb, "past")
        english = f"that {english_clause(aside)}"
        german = f"{relative_pronoun(head.gender, 'acc')} {german_clause(aside, 'last')}"
        quality = rng.choice(ADJECTIVES_OF[kind])
        main = Clause(head, BE, rng.choice(("present", "past")), complement=Phrase(quality.english, quality.predicate))
    whole = replace(
        head,
        english=f"{head.english} {english}",
        german=(f"{head.german[0]}, {german},", head.german[1], head.german[2]),
    )
    main = replace(main, subject=whole)
    return Phrase(english_clause(main), german_clause(main))


def _in_city(rng: random.Random) -> Phrase:
    place = rng.choice(PLACES[:2])
    nominal = noun_phrase(place.noun, "the", rng.choice((None, *ADJECTIVES_OF["place"])))
    return Phrase(f"in {nominal.english}", prepositional("in", nominal.german[2]))


def _infinitive(rng: random.Random) -> Phrase:
    """Trying or deciding to do something."""
    subject = subject_phrase(rng)
    goal = errand(rng, subject)
    if chance(rng, 0.2):
        quality = rng.choice(
            (("difficult", "schwierig"), ("important", "wichtig"), ("nice", "schön"), ("easy", "einfach"))
        )
        goal = errand(rng, IT)
        matrix = Clause(IT, BE, complement=Phrase(*quality))
    else:
        verb = rng.choice((_TRY, _DECIDE, _PROMISE, _FORGET, _BEGIN))
        tense: Tense = "past" if verb is not _TRY or chance(rng, 0.5) else "present"
        matrix = set_in_time(rng, Clause(subject, verb), (tense,), times=0.2)
        matrix = replace(matrix, adverb=None)
    return Phrase(
        f"{english_clause(replace(matrix, time=None))} {english_infinitive(replace(goal, time=matrix.time))}",
        f"{german_clause(matrix)}, {german_zu_infinitive(goal)}",
    )


def _purpose(rng: random.Random) -> Phrase:
    """Going somewhere in order to do something."""
    subject = subject_phrase(rng)
    main = set_in_time(rng, motion(rng, subject), _PLAIN, times=0.3)
    main = replace(main, adverb=None)
    fronted = main.time is not None
    goal = errand(rng, subject)
    return Phrase(
        f"{english_clause(main, fronted)} {english_infinitive(goal)}",
        f"{german_clause(main, fronted=fronted)}, um {german_zu_infinitive(goal)}",
    )


def _together(rng: random.Random) -> Phrase:
    """Two actions of one subject ("and"), or of two ("but"). A common auxiliary is said once."""
    subject = subject_phrase(rng)
    tense: Tense = rng.choice(("present", "past"))
    first = replace(action(rng, subject), tense=tense)
    if chance(rng, 0.6):
        silent = replace(subject, english="", german=("", "", ""))
        second = replace(action(rng, silent), tense=tense)
        order: Order = "shared" if tense == "past" and _finite(first) == _finite(second) else "second"
        return Phrase(
            f"{english_clause(first)} and {english_clause(second)}",
            f"{german_clause(first)} und {german_clause(second, order)}",
        )
    second = replace(action(rng, person_phrase(rng)), tense=tense)
    return Phrase(
        f"{english_clause(first)}, but {english_clause(second)}",
        f"{german_clause(first)}, aber {german_clause(second)}",
    )


def _finite(clause: Clause) -> str:
    return german_bracket(clause).finite


def _quality(rng: random.Random) -> Phrase:
    """Something is (not) old, too old, older than something else, as old as it."""
    kind = rng.choice(
        ("vehicle", "device", "clothes", "building", "place", "furniture", "animal", "person", "text", "event")
    )
    nouns = tuple(p.noun for p in PLACES) if kind == "place" else NOUNS[kind]
    noun, other = rng.sample(nouns, 2)
    plural = chance(rng, 0.2)
    thing = noun_phrase(noun, rng.choice(("the", "the", "this")), plural=plural)
    quality = rng.choice([a for a in ADJECTIVES_OF[kind] if a.english not in _NEVER_COMPARED])
    standard = noun_phrase(other, "the", plural=plural)
    form = rng.choice(("more", "equal", "unequal", "degree", "degree"))
    negation: Negation = "nicht" if form == "unequal" else ""
    tense: Tense = rng.choice(("present", "present", "past"))
    if form == "more":
        words = Phrase(
            f"{quality.english_comparative} than {standard.english}",
            f"{quality.german_comparative} als {standard.german[0]}",
        )
    elif form == "degree":
        degree, grad = rng.choice((("very", "sehr"), ("too", "zu"), ("quite", "ziemlich")))
        words = Phrase(f"{degree} {quality.english}", f"{grad} {quality.predicate}")
    else:
        words = Phrase(
            f"as {quality.english} as {standard.english}", f"so {quality.predicate} wie {standard.german[0]}"
        )
    clause = Clause(thing, BE, tense, complement=words, negation=negation)
    return Phrase(english_clause(clause), german_clause(clause))


def _existence(rng: random.Random) -> Phrase:
    """There is something somewhere: es gibt with the accusative."""
    place = rng.choice(PLACES[:2])
    kind = rng.choice(("building", "landscape"))
    noun = rng.choice([n for n in NOUNS[kind] if n.english not in ("mountain", place.noun.english)])
    plural = chance(rng, 0.35)
    determiner = rng.choice(("two", "three", "no")) if plural else rng.choice(("a", "a", "no"))
    adjective = rng.choice((None, *ADJECTIVES_OF[kind]))
    thing = noun_phrase(noun, determiner, adjective, plural)
    where = noun_phrase(
        place.noun, rng.choice(("the", "the", "this", "our")), rng.choice((None, *ADJECTIVES_OF["place"]))
    )
    be = "are" if plural else "is"
    return Phrase(
        f"there {be} {thing.english} in {where.english}",
        f"{prepositional('in', where.german[2])} gibt es {thing.german[1]}",
    )


def _position(rng: random.Random) -> Phrase:
    """Lying or standing somewhere (dative), or being put there (accusative)."""
    flat = chance(rng, 0.5)
    names = _LYING if flat else _STANDING
    noun = rng.choice(
        [n for kind in ("text", "thing", "clothes", "opening", "device") for n in NOUNS[kind] if n.english in names]
    )
    plural = chance(rng, 0.25)
    adjective = rng.choice((None, *ADJECTIVES_OF[noun.kind]))
    preposition, german_preposition = rng.choice(_SPOTS)
    landmark = noun_phrase(rng.choice(NOUNS["furniture"]), rng.choice(("the", "the", "this")))
    if chance(rng, 0.5):
        thing = noun_phrase(noun, rng.choice(("the", "the", "my", "your", "our")), adjective, plural)
        spot = Phrase(f"{preposition} {landmark.english}", f"{german_preposition} {landmark.german[2]}")
        clause = Clause(thing, _LIE if flat else _STAND, complement=spot)
    else:
        subject = subject_phrase(rng)
        thing = noun_phrase(
            noun, rng.choice(("the", subject.owner or "the", "a" if not plural else "two")), adjective, plural
        )
        spot = Phrase(f"{preposition} {landmark.english}", f"{german_preposition} {landmark.german[1]}")
        clause = set_in_time(
            rng, Clause(subject, _LAY if flat else _SET, accusative=thing, complement=spot), _PLAIN, 0.2
        )
    return Phrase(english_clause(clause), german_clause(clause))


def _possession(rng: random.Random) -> Phrase:
    subject = subject_phrase(rng)
    noun = rng.choice(NOUNS[rng.choice(("vehicle", "device", "animal", "clothes", "thing", "furniture"))])
    adjective = rng.choice((None, *ADJECTIVES_OF[noun.kind]))
    plural = chance(rng, 0.2)
    if chance(rng, 0.3):
        owned = as_kein(noun_phrase(noun, "" if plural else "a", adjective, plural), noun, adjective, plural)
        clause = Clause(subject, HAVE, accusative=owned, negation="kein")
    else:
        owned = noun_phrase(
            noun, rng.choice(("two", "three")) if plural else rng.choice(("a", "no")), adjective, plural
        )
        clause = Clause(subject, HAVE, accusative=owned)
    clause = replace(set_in_time(rng, clause, _PAST_AND_PRESENT, times=0.3), adverb=None)
    return Phrase(english_clause(clause), german_clause(clause))


_PATTERNS: tuple[Draw, ...] = (
    *(_statement,) * 20, *(_question,) * 4, *(_that,) * 3, *(_because,) * 3, *(_if,) * 2, *(_meanwhile,) * 2,
    *(_relative,) * 2, *(_infinitive,) * 2, *(_purpose,) * 2, *(_together,) * 2, *(_quality,) * 3, *(_existence,) * 2,
    *(_position,) * 3, *(_possession,) * 2,
)  # fmt: skip


def _finished(phrase: Phrase) -> Phrase:
    english, german = (capitalised(t) if t.endswith("?") else capitalised(t) + "." for t in phrase)
    return Phrase(english, german)


def draw_pair(rng: random.Random) -> Phrase:
    """One sentence of 5 to 12 words in either language, and its translation."""
    while True:
        phrase = rng.choice(_PATTERNS)(rng)
        if all(MIN_WORDS <= len(text.split()) <= MAX_WORDS for text in phrase):
            return _finished(phrase)


def rows(rng: random.Random, split: str) -> Iterator[dict[str, Any]]:
    for english, german in distinct(rng, split, draw_pair, lambda phrase: phrase.english):
        yield {"translation": {"en": english, "de": german}}
