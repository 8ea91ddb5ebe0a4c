"""German morphology: articles, adjective endings, noun and verb forms, reflexive and relative pronouns.

Genders are "m", "f", "n"; the plural has no gender and is written "p". Cases are "nom", "acc", "dat".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rl4lms.data_pools.generators.english import Person

Case = Literal["nom", "acc", "dat"]
CASES: tuple[Case, ...] = ("nom", "acc", "dat")
_INDEX = {case: index for index, case in enumerate(CASES)}


def _table(forms: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """gender -> nominative, accusative, dative; "-" is an empty ending."""
    return {gender: tuple("" if f == "-" else f for f in row.split()) for gender, row in forms.items()}


_THE = _table({"m": "der den dem", "f": "die die der", "n": "das das dem", "p": "die die den"})
_DER_WORD = _table({"m": "er en em", "f": "e e er", "n": "es es em", "p": "e e en"})
_EIN_WORD = _table({"m": "- en em", "f": "e e er", "n": "- - em", "p": "e e en"})
# Adjective endings after der-words (weak), after ein-words (mixed), and with no article (strong).
_WEAK = _table({"m": "e en en", "f": "e e en", "n": "e e en", "p": "en en en"})
_MIXED = _table({"m": "er en en", "f": "e e en", "n": "es es en", "p": "en en en"})
_STRONG = _table({"m": "er en em", "f": "e e er", "n": "es es em", "p": "e e en"})
_RELATIVE = _table({"m": "der den dem", "f": "die die der", "n": "das das dem", "p": "die die denen"})

_DER_STEMS = ("dies", "jed")
_EIN_STEMS = ("ein", "kein", "mein", "dein", "sein", "ihr", "unser")
_CONTRACTIONS = {
    ("an", "dem"): "am", ("an", "das"): "ans", ("bei", "dem"): "beim", ("in", "dem"): "im", ("in", "das"): "ins",
    ("von", "dem"): "vom", ("zu", "dem"): "zum", ("zu", "der"): "zur",
}  # fmt: skip
REFLEXIVE: dict[Person, str] = {"1s": "mich", "2s": "dich", "3s": "sich", "1p": "uns", "3p": "sich"}

_PRESENT: dict[str, dict[Person, str]] = {
    "sein": {"1s": "bin", "2s": "bist", "3s": "ist", "1p": "sind", "3p": "sind"},
    "haben": {"1s": "habe", "2s": "hast", "3s": "hat", "1p": "haben", "3p": "haben"},
    "werden": {"1s": "werde", "2s": "wirst", "3s": "wird", "1p": "werden", "3p": "werden"},
    "wissen": {"1s": "weiß", "2s": "weißt", "3s": "weiß", "1p": "wissen", "3p": "wissen"},
    "können": {"1s": "kann", "2s": "kannst", "3s": "kann", "1p": "können", "3p": "können"},
    "müssen": {"1s": "muss", "2s": "musst", "3s": "muss", "1p": "müssen", "3p": "müssen"},
    "wollen": {"1s": "will", "2s": "willst", "3s": "will", "1p": "wollen", "3p": "wollen"},
    "dürfen": {"1s": "darf", "2s": "darfst", "3s": "darf", "1p": "dürfen", "3p": "dürfen"},
}
# Stems of the simple past that spoken German keeps, and of "sollte" (should).
_PRETERITE = {
    "sein": "war", "haben": "hatte", "wissen": "wusste", "können": "konnte", "müssen": "musste", "wollen": "wollte",
    "dürfen": "durfte", "sollen": "sollte",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Noun:
    """weak: the oblique singular takes the plural's -(e)n (der Student, den Studenten)."""

    singular: str
    gender: str
    plural: str
    weak: bool = False

    def form(self, case: Case, plural: bool = False) -> str:
        if plural:
            return self.plural + ("n" if case == "dat" and self.plural[-1] not in "ns" else "")
        return self.plural if self.weak and case != "nom" else self.singular


def determiner(stem: str, gender: str, case: Case) -> str:
    """stem: "der", "dies", "jed", "ein", "kein", a possessive, an indeclinable numeral, or "" for none."""
    if stem == "der":
        return _THE[gender][_INDEX[case]]
    if stem in _DER_STEMS:
        return stem + _DER_WORD[gender][_INDEX[case]]
    if stem in _EIN_STEMS:
        return stem + _EIN_WORD[gender][_INDEX[case]]
    return stem


def adjective(stem: str, determiner_stem: str, gender: str, case: Case) -> str:
    """The attributive form of `stem` ("teur" for teuer) after the determiner."""
    if determiner_stem == "der" or determiner_stem in _DER_STEMS:
        table = _WEAK
    else:
        table = _MIXED if determiner_stem in _EIN_STEMS else _STRONG
    return stem + table[gender][_INDEX[case]]


def noun_phrase(determiner_stem: str, adjective_stem: str, noun: Noun, case: Case, plural: bool = False) -> str:
    """ "der", "alt", Noun("Mann", ...), "dat" -> "dem alten Mann"; an empty adjective stem is left out."""
    gender = "p" if plural else noun.gender
    words = [determiner(determiner_stem, gender, case)]
    if adjective_stem:
        words.append(adjective(adjective_stem, determiner_stem, gender, case))
    words.append(noun.form(case, plural))
    return " ".join(filter(None, words))


def prepositional(preposition: str, phrase: str) -> str:
    """in + "dem Garten" -> "im Garten"; only the definite article contracts."""
    first, _, rest = phrase.partition(" ")
    contracted = _CONTRACTIONS.get((preposition, first))
    return f"{contracted} {rest}" if contracted else f"{preposition} {phrase}"


def relative_pronoun(gender: str, case: Case) -> str:
    return _RELATIVE[gender][_INDEX[case]]


@dataclass(frozen=True, slots=True)
class Verb:
    """infinitive: without the separable prefix; third: the er-form; participle: whole ("angerufen")."""

    infinitive: str
    third: str
    participle: str
    prefix: str = ""
    auxiliary: str = "haben"
    reflexive: bool = False

    def present(self, person: Person) -> str:
        return present(self.infinitive, self.third, person)

    def zu_infinitive(self) -> str:
        """ "zu lesen", and "anzurufen" where the prefix separates."""
        return f"{self.prefix}zu{self.infinitive}" if self.prefix else f"zu {self.infinitive}"


def present(infinitive: str, third: str, person: Person) -> str:
    """The finite present. The du-form is the er-form's stem + -st, or + -t after a sibilant (liest, putzt)."""
    if infinitive in _PRESENT:
        return _PRESENT[infinitive][person]
    if person in ("1p", "3p"):
        return infinitive
    if person == "3s":
        return third
    if person == "1s":
        return infinitive.removesuffix("n").removesuffix("e") + "e"
    stem = third.removesuffix("t")
    return stem + ("t" if stem[-1] in "sßzx" else "st")


def preterite(infinitive: str, person: Person) -> str:
    """war, hatte, wusste and the modals; other verbs form their past with the perfect."""
    stem = _PRETERITE[infinitive]
    if stem[-1] == "e":
        return stem + {"1s": "", "2s": "st", "3s": "", "1p": "n", "3p": "n"}[person]
    return stem + {"1s": "", "2s": "st", "3s": "", "1p": "en", "3p": "en"}[person]


def has_preterite(infinitive: str) -> bool:
    return infinitive in _PRETERITE
