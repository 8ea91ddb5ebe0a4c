"""The generated IWSLT 2017: sentences of listed phrases only, in correct German."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest

from rl4lms.data_pools.dataset import SPLITS
from rl4lms.tasks.iwslt2017.generator import PHRASES, TOPICS, Pair, filled
from rl4lms.tasks.task import task_of

# Genders of the nouns; "p" is a plural. The endings of what stands before them are checked against these.
GENDERS = {
    "m": "Mann Vater Onkel Sohn Nachbar Fisch Kuchen Apfel Käse Brief Bericht Bus Lastwagen Arzt König",
    "f": "Frau Mutter Schwester Suppe Geschichte Nachricht Lampe Lehrerin Sängerin",
    "n": "Mädchen Kind Brot Buch Gedicht Auto Fahrrad Boot",
    "p": "Kinder Gäste",
}
GENDER_OF = {noun: gender for gender, nouns in GENDERS.items() for noun in nouns.split()}
ARTICLES = {
    "nom": {"m": "der", "f": "die", "n": "das", "p": "die"},
    "acc": {"m": "den", "f": "die", "n": "das", "p": "die"},
}
WEAK = {"nom": {"m": "e", "f": "e", "n": "e", "p": "en"}, "acc": {"m": "en", "f": "e", "n": "e", "p": "en"}}
POSSESSIVE = {"m": "", "f": "e", "n": ""}  # nominative endings after mein, unser, ihr, sein


def language(pairs: tuple[Pair, ...], index: int) -> list[str]:
    return [pair[index] for pair in pairs]


def agrees(phrase: str, case: str) -> bool:
    """Whether article or possessive and adjective have the endings of the noun's gender in this case."""
    first, *adjectives, noun = phrase.split()
    gender = GENDER_OF[noun]
    possessive = re.fullmatch(r"(mein|unser|ihr|sein)(e?)", first)
    if possessive:
        return case == "nom" and not adjectives and possessive[2] == POSSESSIVE[gender]
    endings = [re.fullmatch(r"(?:alt|jung|neu|warm|rot|lang)(\w*)", adjective) for adjective in adjectives]
    return first == ARTICLES[case][gender] and all(e and e[1] == WEAK[case][gender] for e in endings)


def test_articles_and_adjectives_agree_with_their_nouns() -> None:
    persons = [phrase for phrase in language(PHRASES["who"], 1) if " " in phrase]
    things = [phrase for topic in TOPICS for phrase in language(topic.things, 1)]
    assert len(persons) + len(things) > 30
    assert [phrase for phrase in persons if not agrees(phrase, "nom")] == []
    assert [phrase for phrase in things if not agrees(phrase, "acc")] == []


@pytest.mark.parametrize(
    "wrong", ["der roten Apfel", "den rote Apfel", "die Auto", "mein Mutter", "das alte Bus", "meinen Vater"]
)
def test_disagreement_is_seen(wrong: str) -> None:
    assert not agrees(wrong, "nom") and not agrees(wrong, "acc")


def test_phrases_are_one_to_one() -> None:
    """Else a sentence would have two translations, or one German sentence could stand in two splits."""
    things = tuple(thing for topic in TOPICS for thing in topic.things)
    verbs = tuple(verb for topic in TOPICS for verb in topic.verbs)
    for pairs in (PHRASES["who"], PHRASES["when"] + PHRASES["past"], things, verbs):
        for index in (0, 1):
            assert max(Counter(language(pairs, index)).values()) == 1
    for verb in verbs:
        assert [len(forms.split(", ")) for forms in verb] == [3, 3]


# Verified by hand, one for each pattern in the order of the text.
BY_HAND = """
The child reads the letter at home. = Das Kind liest zu Hause den Brief.
At home the child reads the letter. = Zu Hause liest das Kind den Brief.
The child read the letter yesterday. = Das Kind hat gestern den Brief gelesen.
Yesterday the child read the letter. = Gestern hat das Kind den Brief gelesen.
The child can read the letter at home. = Das Kind kann zu Hause den Brief lesen.
The child did not read the letter. = Das Kind hat den Brief nicht gelesen.
Does the child read the letter at home? = Liest das Kind zu Hause den Brief?
I know that the child read the letter. = Ich weiß, dass das Kind den Brief gelesen hat.
"""


def test_patterns_place_the_verb_as_german_does() -> None:
    english = dict(zip(("DOES", "DID", "DO"), ("reads", "read", "read"), strict=True))
    german = dict(zip(("DOES", "DONE", "DO"), ("liest", "gelesen", "lesen"), strict=True))
    english |= {"WHO": "the child", "WHAT": "the letter", "WHEN": "at home", "PAST": "yesterday"}
    german |= {"WHO": "das Kind", "WHAT": "den Brief", "WHEN": "zu Hause", "PAST": "gestern"}
    made = [f"{filled(en, english)} = {filled(de, german)}" for en, de in PHRASES["pattern"]]
    assert made == BY_HAND.strip().split("\n")


def translations(english: str) -> set[str]:
    """The German of every way to take an English sentence apart into listed phrases."""
    found = set()
    for (source, target), topic in itertools.product(PHRASES["pattern"], TOPICS):
        tables = {"WHO": PHRASES["who"], "WHEN": PHRASES["when"], "PAST": PHRASES["past"], "WHAT": topic.things}
        german = {place: {pair.english.lower(): pair.german for pair in pairs} for place, pairs in tables.items()}
        forms = [(verb.english.split(", "), verb.german.split(", ")) for verb in topic.verbs]
        for i, form in enumerate(("DOES", "DID", "DO")):
            german[form] = {en[i]: form for en, _ in forms}
        expression = re.escape(source)
        for place, phrases in german.items():
            expression = re.sub(rf"\b{place}\b", f"(?P<{place}>{'|'.join(map(re.escape, phrases))})", expression)
        match = re.fullmatch(expression, english, re.IGNORECASE)
        if match is None:
            continue
        said = {place: text.lower() for place, text in match.groupdict().items()}
        for en, de in forms:
            if all(en[i] == said.get(form, en[i]) for i, form in enumerate(("DOES", "DID", "DO"))):
                phrases = {place: german[place][text] for place, text in said.items()}
                found.add(filled(target, phrases | dict(zip(("DOES", "DONE", "DO"), de, strict=True))))
    return found


@pytest.mark.parametrize("split", SPLITS)
def test_a_sentence_has_the_one_translation_that_its_phrases_have(split: str) -> None:
    for row in task_of("iwslt2017").generate(split, 60, 5):
        assert translations(row["translation"]["en"]) == {row["translation"]["de"]}


def test_every_phrase_occurs_often_enough_to_be_learnt() -> None:
    """At least ten times in the 3,000 training rows of the suite."""
    text = "\n".join(row["translation"]["de"].lower() for row in task_of("iwslt2017").generate("train", 3000, 0))
    verbs = {form for topic in TOPICS for _, german in topic.verbs for form in german.split(", ")}
    phrases = {p.german for t in TOPICS for p in t.things} | {p.german for k in ("who", "when") for p in PHRASES[k]}
    assert min(len(re.findall(rf"\b{re.escape(p.lower())}\b", text)) for p in phrases | verbs) >= 10
