"""The grammars under the generated text: English inflection, German morphology, clauses in both languages."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest

from rl4lms.data_pools.generators import english, generate, german
from rl4lms.data_pools.generators.german import Noun, Verb
from rl4lms.data_pools.generators.iwslt_clauses import (
    IT,
    PRONOUNS,
    Clause,
    Nominal,
    Phrase,
    english_clause,
    german_clause,
    german_zu_infinitive,
    noun_phrase,
    prepositional,
)
from rl4lms.data_pools.generators.iwslt_content import BE
from rl4lms.data_pools.generators.iwslt_lexicon import (
    ADJECTIVES,
    DATIVE,
    DITRANSITIVE,
    INTRANSITIVE,
    LOCAL,
    MOTION,
    NOUNS,
    PREPOSITIONAL,
    TRANSITIVE,
    TRAVEL,
    NounEntry,
    VerbEntry,
)


@cache
def german_sentences() -> tuple[str, ...]:
    return tuple(row["translation"]["de"] for row in generate("iwslt2017", "train", 2400, 0))


@pytest.mark.parametrize(
    ("function", "word", "form"),
    [
        (english.plural, "young child", "young children"),
        (english.plural, "box", "boxes"),
        (english.plural, "city", "cities"),
        (english.plural, "toy", "toys"),
        (english.third_person, "watch", "watches"),
        (english.third_person, "carry on", "carries on"),
        (english.past, "pick up", "picked up"),
        (english.past, "clap", "clapped"),
        (english.past, "write", "wrote"),
        (english.gerund, "ride", "riding"),
        (english.gerund, "sit", "sitting"),
        (english.gerund, "see", "seeing"),
        (english.gerund, "lie", "lying"),
        (english.with_article, "old hat", "an old hat"),
        (english.with_article, "hour", "an hour"),
        (english.with_article, "union", "a union"),
        (english.with_article, "one-way ticket", "a one-way ticket"),
    ],
)
def test_english(function: Callable[[str], str], word: str, form: str) -> None:
    assert function(word) == form


MAN, WOMAN, CHILD = Noun("Mann", "m", "Männer"), Noun("Frau", "f", "Frauen"), Noun("Kind", "n", "Kinder")
STUDENT, CAR = Noun("Student", "m", "Studenten", weak=True), Noun("Auto", "n", "Autos")


@pytest.mark.parametrize(
    ("determiner", "adjective", "noun", "plural", "forms"),
    [
        ("der", "alt", MAN, False, ("der alte Mann", "den alten Mann", "dem alten Mann")),
        ("ein", "alt", MAN, False, ("ein alter Mann", "einen alten Mann", "einem alten Mann")),
        ("der", "jung", WOMAN, False, ("die junge Frau", "die junge Frau", "der jungen Frau")),
        ("kein", "jung", WOMAN, False, ("keine junge Frau", "keine junge Frau", "keiner jungen Frau")),
        ("dies", "klein", CHILD, False, ("dieses kleine Kind", "dieses kleine Kind", "diesem kleinen Kind")),
        ("mein", "klein", CHILD, False, ("mein kleines Kind", "mein kleines Kind", "meinem kleinen Kind")),
        ("der", "klein", CHILD, True, ("die kleinen Kinder", "die kleinen Kinder", "den kleinen Kindern")),
        ("unser", "klein", CHILD, True, ("unsere kleinen Kinder", "unsere kleinen Kinder", "unseren kleinen Kindern")),
        ("zwei", "klein", CHILD, True, ("zwei kleine Kinder", "zwei kleine Kinder", "zwei kleinen Kindern")),
        ("", "teur", CAR, True, ("teure Autos", "teure Autos", "teuren Autos")),
        ("jed", "", STUDENT, False, ("jeder Student", "jeden Studenten", "jedem Studenten")),
        ("", "kalt", Noun("Milch", "f", "Milch"), False, ("kalte Milch", "kalte Milch", "kalter Milch")),
        ("", "kalt", Noun("Saft", "m", "Säfte"), False, ("kalter Saft", "kalten Saft", "kaltem Saft")),
    ],
)
def test_german_noun_phrases(
    determiner: str, adjective: str, noun: Noun, plural: bool, forms: tuple[str, str, str]
) -> None:
    assert tuple(german.noun_phrase(determiner, adjective, noun, case, plural) for case in german.CASES) == forms


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        (Verb("lesen", "liest", "gelesen"), "lese liest liest lesen lesen"),
        (Verb("arbeiten", "arbeitet", "gearbeitet"), "arbeite arbeitest arbeitet arbeiten arbeiten"),
        (Verb("fahren", "fährt", "gefahren"), "fahre fährst fährt fahren fahren"),
        (Verb("waschen", "wäscht", "gewaschen"), "wasche wäschst wäscht waschen waschen"),
        (Verb("laden", "lädt", "eingeladen", "ein"), "lade lädst lädt laden laden"),
        (Verb("vergessen", "vergisst", "vergessen"), "vergesse vergisst vergisst vergessen vergessen"),
        (Verb("tanzen", "tanzt", "getanzt"), "tanze tanzt tanzt tanzen tanzen"),
        (Verb("öffnen", "öffnet", "geöffnet"), "öffne öffnest öffnet öffnen öffnen"),
        (Verb("füttern", "füttert", "gefüttert"), "füttere fütterst füttert füttern füttern"),
        (Verb("wissen", "weiß", "gewusst"), "weiß weißt weiß wissen wissen"),
        (Verb("sein", "ist", "gewesen"), "bin bist ist sind sind"),
    ],
)
def test_german_present(verb: Verb, forms: str) -> None:
    assert [verb.present(person) for person in ("1s", "2s", "3s", "1p", "3p")] == forms.split()


def test_german_preterite_of_auxiliaries_and_modals() -> None:
    assert [german.preterite("sein", p) for p in ("1s", "2s", "3s", "1p", "3p")] == "war warst war waren waren".split()
    assert [german.preterite("müssen", p) for p in ("1s", "2s", "1p")] == ["musste", "musstest", "mussten"]


def noun(name: str) -> NounEntry:
    return next(entry for entries in NOUNS.values() for entry in entries if entry.english == name)


def verb(name: str, table: Sequence[VerbEntry] = TRANSITIVE) -> VerbEntry:
    return next(entry for entry in table if entry.english == name)


def np(determiner: str, name: str, adjective: str = "", plural: bool = False) -> Nominal:
    return noun_phrase(noun(name), determiner, ADJECTIVES.get(adjective), plural)


ME, YOU, HE, SHE, WE, THEY = (PRONOUNS[owner] for owner in ("my", "your", "his", "her", "our", "their"))
YESTERDAY, TODAY, TOMORROW = Phrase("yesterday", "gestern"), Phrase("today", "heute"), Phrase("tomorrow", "morgen")
LAY = VerbEntry("put", Verb("legen", "legt", "gelegt"))
SPOT = prepositional("on", "auf", np("the", "table"), "acc")
TRIP = prepositional("", "auf", np("the", "trip"), "acc")


def give(time: Phrase | None = None) -> Clause:
    daughter, bicycle = np("his", "daughter"), np("a", "bicycle", "new")
    return Clause(np("the", "man", "old"), verb("give", DITRANSITIVE), dative=daughter, accusative=bicycle, time=time)


def do(subject: Nominal, action: VerbEntry, thing: Nominal, tense: Any = "present", **parts: Any) -> Clause:
    return Clause(subject, action, tense, accusative=thing, **parts)


DOCTOR, STUDENT_, WINDOW, MOTHER = (
    np("the", "doctor"),
    np("the", "student", "young"),
    np("the", "window"),
    np("his", "mother"),
)
LAMP, HOUSE, COFFEE = np("the", "lamp"), np("the", "house", "old"), np("", "coffee", "cold")
NEIGHBORS = prepositional("", "mit", np("the", "neighbor", "friendly", plural=True), "dat")
INTO_HOUSE = prepositional("into", "in", HOUSE, "acc")
FORWARD, HELP, CALL = verb("look forward to", PREPOSITIONAL), verb("help", DATIVE), verb("call")
RAIN = VerbEntry("rain", Verb("regnen", "regnet", "geregnet"))
TO_BERLIN = Phrase("to Berlin", "nach Berlin")

# German finite verb second, in statements: clause | English | German, verified by hand.
STATEMENTS = [
    (give(), "the old man gives his daughter a new bicycle", "der alte Mann gibt seiner Tochter ein neues Fahrrad"),
    (
        Clause(DOCTOR, HELP, "past", dative=STUDENT_, time=YESTERDAY),
        "the doctor helped the young student yesterday",
        "der Arzt hat gestern dem jungen Studenten geholfen",
    ),
    (do(HE, CALL, MOTHER), "he calls his mother", "er ruft seine Mutter an"),
    (
        do(HE, verb("open"), WINDOW, time=TODAY, negation="nicht"),
        "he does not open the window today",
        "er öffnet das Fenster heute nicht",
    ),
    (do(WE, verb("turn on"), LAMP, negation="nicht"), "we do not turn on the lamp", "wir schalten die Lampe nicht ein"),
    (
        do(SHE, verb("buy"), np("the", "car"), "can", negation="nicht"),
        "she cannot buy the car",
        "sie kann das Auto nicht kaufen",
    ),
    (Clause(YOU, FORWARD, complement=TRIP), "you look forward to the trip", "du freust dich auf die Reise"),
    (do(ME, verb("visit"), HE, "past", time=YESTERDAY), "I visited him yesterday", "ich habe ihn gestern besucht"),
    (
        do(np("the", "teacher"), verb("show", DITRANSITIVE), np("the", "picture"), dative=WE, time=TODAY),
        "the teacher shows us the picture today",
        "die Lehrerin zeigt uns heute das Bild",
    ),
    (
        do(SHE, LAY, np("the", "letter"), "past", complement=SPOT),
        "she put the letter on the table",
        "sie hat den Brief auf den Tisch gelegt",
    ),
    (do(YOU, verb("drink"), COFFEE, "progressive"), "you are drinking cold coffee", "du trinkst gerade kalten Kaffee"),
    (
        Clause(np("the", "child", plural=True), verb("get up", INTRANSITIVE), "past", negation="nicht"),
        "the children did not get up",
        "die Kinder sind nicht aufgestanden",
    ),
    (
        Clause(HE, HELP, dative=np("his", "brother"), time=TODAY, negation="nicht"),
        "he does not help his brother today",
        "er hilft seinem Bruder heute nicht",
    ),
    (
        Clause(SHE, verb("talk to", PREPOSITIONAL), "past", complement=NEIGHBORS),
        "she talked to the friendly neighbors",
        "sie hat mit den freundlichen Nachbarn gesprochen",
    ),
    (
        do(WE, verb("eat"), np("every", "apple"), "have to"),
        "we have to eat every apple",
        "wir müssen jeden Apfel essen",
    ),
    (
        do(YOU, verb("wash"), np("your", "shirt", plural=True), "should"),
        "you should wash your shirts",
        "du solltest deine Hemden waschen",
    ),
    (
        do(HE, verb("read"), np("the", "newspaper"), adverb=Phrase("never", "nie")),
        "he never reads the newspaper",
        "er liest die Zeitung nie",
    ),
    (
        do(HE, verb("read"), np("a", "newspaper"), adverb=Phrase("often", "oft")),
        "he often reads a newspaper",
        "er liest oft eine Zeitung",
    ),
]

# German finite verb last, as after "dass".
SUBORDINATE = [
    (do(HE, CALL, MOTHER), "he calls his mother", "er seine Mutter anruft"),
    (do(HE, CALL, MOTHER, "past"), "he called his mother", "er seine Mutter angerufen hat"),
    (
        Clause(DOCTOR, FORWARD, complement=TRIP),
        "the doctor looks forward to the trip",
        "sich der Arzt auf die Reise freut",
    ),
    (
        Clause(THEY, verb("go back", MOTION), "want to", complement=INTO_HOUSE),
        "they want to go back into the old house",
        "sie ins alte Haus zurückgehen wollen",
    ),
    (Clause(ME, BE, "past", complement=Phrase("tired", "müde")), "I was tired", "ich müde war"),
    (Clause(IT, RAIN), "it rains", "es regnet"),
]

# Time first, in both languages.
FRONTED = [
    (
        Clause(SHE, verb("fly", TRAVEL), "past", complement=TO_BERLIN, time=YESTERDAY),
        "yesterday she flew to Berlin",
        "gestern ist sie nach Berlin geflogen",
    ),
    (
        do(ME, verb("open"), WINDOW, "will", time=TOMORROW),
        "tomorrow I will open the window",
        "morgen werde ich das Fenster öffnen",
    ),
    (
        give(TODAY),
        "today the old man gives his daughter a new bicycle",
        "heute gibt der alte Mann seiner Tochter ein neues Fahrrad",
    ),
]


@pytest.mark.parametrize(("clause", "en", "de"), STATEMENTS)
def test_statements(clause: Clause, en: str, de: str) -> None:
    assert english_clause(clause) == en
    assert german_clause(clause) == de


@pytest.mark.parametrize(("clause", "en", "de"), SUBORDINATE)
def test_subordinate_clauses(clause: Clause, en: str, de: str) -> None:
    assert english_clause(clause) == en
    assert german_clause(clause, "last") == de


@pytest.mark.parametrize(("clause", "en", "de"), FRONTED)
def test_fronted_time(clause: Clause, en: str, de: str) -> None:
    assert english_clause(clause, fronted=True) == en
    assert german_clause(clause, fronted=True) == de


@pytest.mark.parametrize(
    ("clause", "en", "de"),
    [
        (do(YOU, verb("read"), np("the", "book"), "past"), "did you read the book", "hast du das Buch gelesen"),
        (Clause(YOU, verb("fly", TRAVEL), complement=TO_BERLIN), "do you fly to Berlin", "fliegst du nach Berlin"),
        (Clause(HE, verb("come along", INTRANSITIVE), "can"), "can he come along", "kann er mitkommen"),
        (Clause(THEY, BE, complement=Phrase("sick", "krank")), "are they sick", "sind sie krank"),
    ],
)
def test_questions(clause: Clause, en: str, de: str) -> None:
    assert english_clause(clause, question=True) == en
    assert german_clause(clause, "first") == de


def test_infinitives_contractions_and_relative_pronouns() -> None:
    assert german_zu_infinitive(Clause(ME, verb("turn on"), accusative=np("the", "lamp"))) == "die Lampe einzuschalten"
    assert german_zu_infinitive(Clause(ME, verb("open"), accusative=np("a", "door"))) == "eine Tür zu öffnen"
    assert prepositional("in", "in", np("the", "house"), "dat").german == "im Haus"
    assert prepositional("in", "in", np("a", "house"), "dat").german == "in einem Haus"
    assert prepositional("to", "zu", np("the", "school"), "dat").german == "zur Schule"
    assert prepositional("on", "auf", np("the", "table"), "dat").german == "auf dem Tisch"
    assert [german.relative_pronoun(g, "dat") for g in "mfnp"] == ["dem", "der", "dem", "denen"]


def test_generated_german_agrees_with_its_lexicon() -> None:
    """Every article before a noun of the lexicon is one that its gender and number allow."""
    allowed: dict[str, set[str]] = {}
    for entry in itertools.chain.from_iterable(NOUNS.values()):
        forms = allowed.setdefault(entry.german.singular, set())
        forms |= {
            german.determiner(stem, entry.german.gender, case) for stem in ("der", "ein") for case in german.CASES
        }
        if entry.german.plural == entry.german.singular:
            forms |= {german.determiner("der", "p", case) for case in german.CASES}
    articles = {"der", "die", "das", "den", "dem", "ein", "eine", "einen", "einem", "einer"}
    checked = 0
    for sentence in german_sentences():
        words = re.findall(r"\w+", sentence)
        for article, following in itertools.pairwise(words):
            if article.lower() in articles and following in allowed:
                assert article.lower() in allowed[following], sentence
                checked += 1
    assert checked > 1000


def finite_forms(joined: bool) -> set[str]:
    """Finite verbs of the lexicon; joined: with their separable prefix, as they close a subordinate clause."""
    tables = (TRANSITIVE, DATIVE, DITRANSITIVE, INTRANSITIVE, LOCAL, MOTION, PREPOSITIONAL, TRAVEL)
    verbs = [entry.german for table in tables for entry in table]
    persons: tuple[english.Person, ...] = ("1s", "2s", "3s", "1p", "3p")
    forms = {(verb.prefix if joined else "") + verb.present(person) for verb in verbs for person in persons}
    forms |= {german.present(aux, "", p) for aux in ("sein", "haben", "werden") for p in persons}
    modals = ("können", "müssen", "wollen", "dürfen")
    forms |= {german.present(modal, "", p) for modal in modals for p in persons}
    return forms | {german.preterite(v, p) for v in (*modals, "sollen", "sein", "haben") for p in persons}


def test_subordinate_clauses_end_in_their_finite_verb() -> None:
    closing, opening = finite_forms(joined=True), finite_forms(joined=False)
    seen: Counter[str] = Counter()
    for text in german_sentences():
        for binder in ("dass", "weil", "ob", "obwohl"):
            main, found, clause = text.partition(f" {binder} ")
            if found:
                assert main.endswith(","), text
                assert clause.rstrip(".").split()[-1] in closing, text
                seen[binder] += 1
        if text.startswith(("Wenn ", "Bevor ", "Während ", "Sobald ")):
            clause, _, main = text.partition(", ")
            assert clause.split()[-1] in closing | {"regnet", "schneit", "scheint"}, text
            assert main.split()[0] in opening, text
            seen["first"] += 1
    assert min(seen[link] for link in ("dass", "weil", "ob", "obwohl", "first")) > 20
