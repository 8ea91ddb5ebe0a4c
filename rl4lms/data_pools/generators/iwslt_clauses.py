"""Clauses as abstract syntax, and their linearisation in English and in German.

German word order: the finite verb second in a main clause (whatever stands first), first in a yes-no question, last
in a subordinate clause; participles, infinitives and separated prefixes close the clause; in between stand the
reflexive, pronouns, the dative before the accusative, time before manner before place. Objects stand before "nicht";
definite ones also before "oft", "immer", "nie".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple

from rl4lms.data_pools.generators import english, german
from rl4lms.data_pools.generators.english import Person
from rl4lms.data_pools.generators.german import CASES, Case
from rl4lms.data_pools.generators.iwslt_lexicon import AdjectiveEntry, NounEntry, VerbEntry

Tense = Literal[
    "present",
    "progressive",
    "past",
    "will",
    "can",
    "could",
    "should",
    "may",
    "have to",
    "had to",
    "want to",
    "wanted to",
]
Negation = Literal["", "nicht", "kein"]
Order = Literal["second", "first", "last", "shared"]

# English modal -> German modal, and whether it stands in the preterite ("should" is sollte).
_MODALS: dict[Tense, tuple[str, bool]] = {
    "will": ("werden", False), "can": ("können", False), "could": ("können", True), "should": ("sollen", True),
    "may": ("dürfen", False), "have to": ("müssen", False), "had to": ("müssen", True), "want to": ("wollen", False),
    "wanted to": ("wollen", True),
}  # fmt: skip
_PAST_MODALS = {"had to": "have to", "wanted to": "want to"}
# English determiner -> German determiner stem
_DETERMINERS = {
    "the": "der", "a": "ein", "no": "kein", "this": "dies", "every": "jed", "two": "zwei", "three": "drei", "": "",
    "my": "mein", "your": "dein", "his": "sein", "her": "ihr", "our": "unser", "their": "ihr",
}  # fmt: skip


_INDEFINITE = ("a", "no", "every", "two", "three", "")


class Phrase(NamedTuple):
    """The same words in both languages."""

    english: str
    german: str


@dataclass(frozen=True, slots=True)
class Nominal:
    """A noun phrase, name or pronoun. german: nominative, accusative, dative.

    owner: the English possessive that refers back to it ("" where the two languages would disagree);
    gender: "m", "f", "n", "p" for a plural, "" for a pronoun; definite: known to the listener, so that it stands early.
    """

    english: str
    english_object: str
    german: tuple[str, str, str]
    person: Person = "3s"
    owner: str = ""
    gender: str = ""
    kind: str = ""
    definite: bool = True

    @property
    def is_pronoun(self) -> bool:
        return not self.gender


_PRONOUN_FORMS = (
    ("I", "me", "ich mich mir", "1s", "my"),
    ("you", "you", "du dich dir", "2s", "your"),
    ("he", "him", "er ihn ihm", "3s", "his"),
    ("she", "her", "sie sie ihr", "3s", "her"),
    ("we", "us", "wir uns uns", "1p", "our"),
    ("they", "them", "sie sie ihnen", "3p", "their"),
)


def _pronoun(subject: str, object_: str, forms: str, person: Person, owner: str) -> Nominal:
    nominative, accusative, dative = forms.split()
    return Nominal(subject, object_, (nominative, accusative, dative), person, owner)


PRONOUNS: dict[str, Nominal] = {row[4]: _pronoun(*row) for row in _PRONOUN_FORMS}  # type: ignore[arg-type]
IT = Nominal("it", "it", ("es", "es", "ihm"))


def name(first_name: str, gender: str) -> Nominal:
    return Nominal(first_name, first_name, (first_name,) * 3, "3s", "his" if gender == "m" else "her", gender, "name")


@cache
def noun_phrase(
    noun: NounEntry, determiner: str, adjective: AdjectiveEntry | None = None, plural: bool = False
) -> Nominal:
    """determiner: an English one ("the", "a", "my", "this", "every", "no", "two", "")."""
    words = english.plural(noun.english) if plural else noun.english
    if adjective is not None:
        words = f"{adjective.english} {words}"
    if determiner == "a":
        words = english.with_article(words)
    elif determiner:
        words = f"{'these' if plural and determiner == 'this' else determiner} {words}"
    stem = _DETERMINERS[determiner]
    ending = adjective.stem if adjective else ""
    nominative, accusative, dative = (german.noun_phrase(stem, ending, noun.german, case, plural) for case in CASES)
    gender = "p" if plural else noun.german.gender
    owner = {"m": "his", "f": "her", "p": "their"}.get(gender, "") if noun.kind in ("person", "kin") else ""
    person: Person = "3p" if plural else "3s"
    definite = determiner not in _INDEFINITE
    return Nominal(words, words, (nominative, accusative, dative), person, owner, gender, noun.kind, definite)


def as_kein(nominal: Nominal, noun: NounEntry, adjective: AdjectiveEntry | None, plural: bool = False) -> Nominal:
    """The object of a negated clause: English keeps "a", German has kein."""
    return replace(nominal, german=noun_phrase(noun, "no", adjective, plural).german)


def prepositional(preposition: str, german_preposition: str, nominal: Nominal, case: Case) -> Phrase:
    """preposition: the English one, "" where the English verb holds it ("wait for")."""
    inflected = nominal.german[CASES.index(case)]
    return Phrase(
        f"{preposition} {nominal.english_object}".strip(), german.prepositional(german_preposition, inflected)
    )


@dataclass(frozen=True, slots=True)
class Clause:
    """adverb: a frequency word (English: before the verb); complement: what closes the middle field.

    negation: "nicht" negates the clause; with "kein" the German negation is in the object already.
    """

    subject: Nominal
    verb: VerbEntry
    tense: Tense = "present"
    dative: Nominal | None = None
    accusative: Nominal | None = None
    complement: Phrase | None = None
    place: Phrase | None = None
    time: Phrase | None = None
    adverb: Phrase | None = None
    negation: Negation = ""


def _english_verb(clause: Clause, inverted: bool) -> tuple[str, str]:
    """(auxiliary or "", the rest of the verb)."""
    base, tense, person = clause.verb.english, clause.tense, clause.subject.person
    supported = inverted or bool(clause.negation)
    if tense in ("present", "past") and base == "be":
        return english.be(person, "present" if tense == "present" else "past"), ""
    if tense == "progressive":
        return english.be(person), english.gerund(base)
    if tense in ("will", "can", "could", "should", "may"):
        return tense, base
    if tense in ("have to", "want to"):
        base = f"{tense} {base}"
    elif tense in _PAST_MODALS:
        base = f"{_PAST_MODALS[tense]} {base}"
    if tense == "past" or tense in _PAST_MODALS:
        return ("did", base) if supported else ("", english.past(base))
    return (english.present("do", person), base) if supported else ("", english.present(base, person))


def _words(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _english_tail(clause: Clause, with_time: bool) -> str:
    """What follows the verb: objects, complement, place, time."""
    objects = [n.english_object for n in (clause.dative, clause.accusative) if n is not None]
    phrases = [
        p.english for p in (clause.complement, clause.place, clause.time if with_time else None) if p is not None
    ]
    return _words(*objects, *phrases)


def english_clause(clause: Clause, fronted: bool = False, question: bool = False) -> str:
    """fronted: time first ("Today she ..."); question: the auxiliary before the subject."""
    auxiliary, verb = _english_verb(clause, question)
    if clause.negation:
        negated = "cannot" if auxiliary == "can" and not question else ""
        auxiliary, negation = (negated, "") if negated else (auxiliary, "not")
    else:
        negation = ""
    adverb = clause.adverb.english if clause.adverb else ""
    subject = clause.subject.english
    tail = _english_tail(clause, with_time=not fronted)
    first = clause.time.english if fronted and clause.time else ""
    opening = (auxiliary, subject) if question else (subject, auxiliary)
    return _words(first, *opening, negation, adverb, verb, tail)


def english_infinitive(clause: Clause) -> str:
    return _words("to", clause.verb.english, _english_tail(clause, with_time=True))


class Bracket(NamedTuple):
    """The two ends of the German clause: the finite verb, what closes the clause, a separated prefix."""

    finite: str
    closing: str
    prefix: str = ""


def german_bracket(clause: Clause) -> Bracket:
    verb, tense, person = clause.verb.german, clause.tense, clause.subject.person
    whole = verb.prefix + verb.infinitive
    if tense in _MODALS:
        modal, in_preterite = _MODALS[tense]
        finite = german.preterite(modal, person) if in_preterite else german.present(modal, "", person)
        return Bracket(finite, whole)
    if tense == "past":
        if german.has_preterite(whole):
            return Bracket(german.preterite(whole, person), "")
        return Bracket(german.present(verb.auxiliary, "", person), verb.participle)
    return Bracket(verb.present(person), "", verb.prefix)


def _is_early(clause: Clause, target: Nominal) -> bool:
    """Whether an object stands before time and adverbs."""
    return clause.negation == "nicht" or (clause.adverb is not None and target.definite)


def _middle(clause: Clause, with_time: bool) -> tuple[list[str], list[str]]:
    """(pronouns, the rest of the middle field)."""
    pronouns: list[str] = []
    before: list[str] = []
    after: list[str] = []
    if clause.verb.german.reflexive:
        pronouns.append(german.REFLEXIVE[clause.subject.person])
    if clause.accusative is not None and clause.accusative.is_pronoun:
        pronouns.append(clause.accusative.german[1])
    if clause.dative is not None:
        early = clause.accusative is not None or _is_early(clause, clause.dative)
        target = pronouns if clause.dative.is_pronoun else before if early else after
        target.append(clause.dative.german[2])
    if clause.accusative is not None and not clause.accusative.is_pronoun:
        (before if _is_early(clause, clause.accusative) else after).append(clause.accusative.german[1])
    time = clause.time.german if with_time and clause.time else ""
    adverb = clause.adverb.german if clause.adverb else "gerade" if clause.tense == "progressive" else ""
    negation = "nicht" if clause.negation == "nicht" else ""
    phrases = [p.german for p in (clause.place, clause.complement) if p is not None]
    return pronouns, list(filter(None, [*before, time, adverb, *after, negation, *phrases]))


def german_clause(clause: Clause, order: Order = "second", fronted: bool = False) -> str:
    """order: where the finite verb stands ("shared": subject and finite verb are those of the clause before).

    fronted: time stands first and the subject follows the verb.
    """
    bracket = german_bracket(clause)
    pronouns, rest = _middle(clause, with_time=not fronted)
    subject = [clause.subject.german[0]]
    # Pronouns stand before a subject that is no pronoun itself: "weil sich der Arzt freut".
    following = subject + pronouns if clause.subject.is_pronoun else pronouns + subject
    if order == "last":
        finite = f"{bracket.prefix}{bracket.finite}"
        return _words(*following, *rest, bracket.closing, finite)
    closing = (bracket.closing, bracket.prefix)
    if order == "shared":
        return _words(*pronouns, *rest, *closing)
    if fronted and clause.time is not None:
        return _words(clause.time.german, bracket.finite, *following, *rest, *closing)
    if order == "first":
        return _words(bracket.finite, *following, *rest, *closing)
    return _words(*subject, bracket.finite, *pronouns, *rest, *closing)


def german_zu_infinitive(clause: Clause) -> str:
    """ "das Fenster zu öffnen", "das Licht einzuschalten"."""
    pronouns, rest = _middle(clause, with_time=True)
    return _words(*pronouns, *rest, clause.verb.german.zu_infinitive())
