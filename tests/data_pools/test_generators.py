"""The generated text: reproducible, split cleanly, varied, grammatical, learnable."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.generators import SPLITS, TASKS, english, generate, german
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
    MOTION,
    NOUNS,
    PREPOSITIONAL,
    TRANSITIVE,
    TRAVEL,
    NounEntry,
    VerbEntry,
)
from rl4lms.data_pools.generators.splits import distinct, owner

Rows = list[dict[str, Any]]

COLUMNS = {
    "imdb": {"text", "label"},
    "common_gen": {"gem_id", "concept_set_id", "concepts", "target", "references"},
    "cnn_dailymail": {"article", "highlights", "id"},
    "totto": {
        "table", "table_webpage_url", "table_page_title", "table_section_title", "table_section_text",
        "highlighted_cells", "example_id", "sentence_annotations",
    },
    "iwslt2017": {"translation"},
    "narrative_qa": {"document", "question", "answers"},
    "daily_dialog": {"dialog", "act", "emotion"},
}  # fmt: skip

# What a split must not share with another: (row -> content).
UNITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "imdb": lambda row: row["text"],
    "common_gen": lambda row: tuple(sorted(row["concepts"])),
    "cnn_dailymail": lambda row: row["article"],
    "totto": lambda row: row["table_page_title"],
    "iwslt2017": lambda row: row["translation"]["de"],
    "narrative_qa": lambda row: row["document"]["summary"]["text"],
    "daily_dialog": lambda row: tuple(row["dialog"]),
}

_cache: dict[tuple[str, str, int], Rows] = {}


def rows_of(task: str, split: str = "train", n: int = 600) -> Rows:
    """Seeded by the split: no overlap may depend on using one seed."""
    key = (task, split, n)
    if key not in _cache:
        _cache[key] = generate(task, split, n, seed=SPLITS.index(split))
    return _cache[key]


def texts(task: str, row: dict[str, Any]) -> list[str]:
    """What a model reads or writes."""
    match task:
        case "imdb":
            return [row["text"]]
        case "common_gen":
            return [row["target"]]
        case "cnn_dailymail":
            return [row["article"], row["highlights"]]
        case "totto":
            return [row["sentence_annotations"][0]["final_sentence"]]
        case "iwslt2017":
            return [row["translation"]["en"], row["translation"]["de"]]
        case "narrative_qa":
            return [row["document"]["summary"]["text"], row["question"]["text"], *(a["text"] for a in row["answers"])]
        case _:
            return list(row["dialog"])


def tokens(text: str) -> list[str]:
    return re.findall(r"\w+(?:'\w+)?", text.lower())


# Reproducibility and splits


def test_same_bytes_in_two_processes() -> None:
    code = (
        "import hashlib, json; from rl4lms.data_pools.generators import *; "
        "rows = [generate(t, s, 30, 7) for t in TASKS for s in SPLITS]; "
        "print(hashlib.sha256(json.dumps(rows).encode()).hexdigest())"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert digests[0] == digests[1]
    assert len(digests[0].strip()) == 64


@pytest.mark.parametrize("task", TASKS)
def test_a_shorter_request_is_a_prefix_and_a_seed_matters(task: str) -> None:
    rows = generate(task, "val", 40, 3)
    assert len(rows) == 40
    assert generate(task, "val", 15, 3) == rows[:15]
    assert generate(task, "val", 0, 3) == []
    assert generate(task, "val", 40, 4) != rows


@pytest.mark.parametrize("task", TASKS)
def test_splits_share_no_content(task: str) -> None:
    units = {split: {UNITS[task](row) for row in rows_of(task, split)} for split in SPLITS}
    for one, other in itertools.combinations(SPLITS, 2):
        assert not units[one] & units[other]


def test_films_do_not_cross_splits() -> None:
    titles = {split: {_film(row["text"]) for row in rows_of("imdb", split)} - {None} for split in SPLITS}
    assert len(titles["test"]) > 50
    assert not titles["train"] & titles["test"]
    assert not titles["train"] & titles["val"]


def _film(review: str) -> str | None:
    match = re.match(
        r"(?:I saw|I watched) ((?:[A-Z]\w+|and|the|of|in)(?: (?:[A-Z]\w+|and|the|of|in))*) (?:last|on|at)", review
    )
    return match[1] if match else None


@pytest.mark.parametrize("task", TASKS)
def test_two_thousand_distinct_training_rows(task: str) -> None:
    rows = rows_of(task, "train", 2400)
    assert len({json.dumps(texts(task, row)) for row in rows}) == 2400
    for split in ("val", "test"):
        assert len({json.dumps(texts(task, row)) for row in rows_of(task, split, 240)}) == 240


@pytest.mark.parametrize(
    ("task", "types", "share_of_top_ten"),
    [
        ("imdb", 500, 0.45),
        ("common_gen", 400, 0.55),
        ("cnn_dailymail", 800, 0.40),
        ("totto", 600, 0.45),
        ("iwslt2017", 1200, 0.30),
        ("narrative_qa", 500, 0.40),
        ("daily_dialog", 700, 0.30),
    ],
)
def test_vocabulary(task: str, types: int, share_of_top_ten: float) -> None:
    """Many word types, none of which dominate; yet few enough for a vocabulary of 2,000 pieces."""
    counts = Counter(w for row in rows_of(task) for text in texts(task, row) for w in tokens(text))
    assert types <= len(counts) <= 2500
    assert sum(c for _, c in counts.most_common(10)) / counts.total() < share_of_top_ten


# Columns


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("split", SPLITS)
def test_columns(task: str, split: str) -> None:
    expected = COLUMNS[task] | ({"overlap_subset"} if task == "totto" and split != "train" else set())
    for row in rows_of(task, split):
        assert set(row) == expected
        assert json.loads(json.dumps(row)) == row
        for text in texts(task, row):
            assert text == text.strip() and "  " not in text and "[" not in text
            assert text[0] == text[0].upper()


@pytest.mark.parametrize(
    ("task", "bounds"),
    [
        ("imdb", [(30, 60)]),
        ("common_gen", [(6, 15)]),
        ("cnn_dailymail", [(45, 90), (10, 45)]),
        ("totto", [(5, 20)]),
        ("iwslt2017", [(5, 14), (5, 14)]),
        ("narrative_qa", [(50, 90), (3, 12), (1, 10), (1, 10)]),
    ],
)
def test_lengths(task: str, bounds: list[tuple[int, int]]) -> None:
    for row in rows_of(task):
        for text, (low, high) in zip(texts(task, row), bounds, strict=True):
            assert low <= len(text.split()) <= high, text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("imbd", "train", 1, 0), 'Did you mean "imdb"'),
        (("imdb", "validation", 1, 0), 'unknown split "validation"'),
        (("imdb", "train", -1, 0), "expected 0 or more, found -1"),
    ],
)
def test_wrong_requests(arguments: tuple[str, str, int, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generate(*arguments)


def test_a_grammar_that_holds_no_more_says_so() -> None:
    units = [str(i) for i in range(40)]
    mine = [unit for unit in units if owner(unit) == "val"]
    drawn = distinct(random.Random(0), "val", lambda rng: rng.choice(units), str)
    assert sorted(itertools.islice(drawn, len(mine))) == sorted(mine)
    with pytest.raises(DataError, match=f"no more than {len(mine)} distinct"):
        next(drawn)


# IMDB


class NaiveBayes:
    """Bernoulli naive Bayes over the words that are present, add-one smoothed."""

    def __init__(self, examples: Iterable[tuple[str, int]]) -> None:
        self.words: dict[int, Counter[str]] = {}
        self.n: Counter[int] = Counter()
        for text, label in examples:
            self.words.setdefault(label, Counter()).update(set(tokens(text)))
            self.n[label] += 1

    def __call__(self, text: str) -> int:
        def score(label: int) -> float:
            present = self.words[label]
            prior = math.log(self.n[label])
            return prior + sum(math.log((present[w] + 1) / (self.n[label] + 2)) for w in set(tokens(text)))

        return max(sorted(self.words), key=score)


def accuracy(train: Sequence[tuple[str, int]], test: Sequence[tuple[str, int]]) -> float:
    classify = NaiveBayes(train)
    return sum(classify(text) == label for text, label in test) / len(test)


def test_sentiment_is_decided_late() -> None:
    """The whole review tells the label; the first half, which is the prompt, only leans."""

    def examples(split: str, n: int, part: slice) -> list[tuple[str, int]]:
        def cut(text: str) -> str:
            words = text.split(" ")
            half = len(words) // 2
            return " ".join(words[: half if part.stop else None] if not part.start else words[half:])

        return [(cut(row["text"]), row["label"]) for row in rows_of("imdb", split, n)]

    whole, first, second = (
        accuracy(examples("train", 2400, part), examples("test", 600, part))
        for part in (slice(None), slice(0, 1), slice(1, None))
    )
    assert whole > 0.9
    assert 0.58 < first < 0.8
    assert second > 0.9


def test_labels_are_balanced_within_every_film() -> None:
    rows = rows_of("imdb")
    assert all(a["label"] + b["label"] == 1 for a, b in zip(rows[::2], rows[1::2], strict=True))
    assert any("<br /><br />" in row["text"] for row in rows)


# CommonGen


def inflections(word: str) -> set[str]:
    forms = {word, english.plural(word), english.third_person(word), english.past(word), english.gerund(word)}
    return {form.lower() for form in forms}


@pytest.mark.parametrize("split", SPLITS)
def test_every_sentence_uses_every_concept(split: str) -> None:
    for row in rows_of("common_gen", split):
        assert 3 <= len(set(row["concepts"])) == len(row["concepts"]) <= 5
        for sentence in [row["target"], *row["references"]]:
            said = set(tokens(sentence))
            assert all(said & inflections(concept) for concept in row["concepts"]), (row["concepts"], sentence)


def test_common_gen_targets_and_references() -> None:
    train, val = rows_of("common_gen"), rows_of("common_gen", "val")
    assert all(row["references"] == [] for row in train)
    sharing = Counter(row["concept_set_id"] for row in train)
    assert set(sharing.values()) == {1, 2, 3}
    assert len({row["gem_id"] for row in train}) == len(train)
    assert len({row["concept_set_id"] for row in val}) == len(val)
    for row in val:
        assert 3 <= len(set(row["references"])) == len(row["references"]) <= 5
        assert row["target"] == row["references"][0]
    assert any(row["concepts"] != sorted(row["concepts"]) for row in val)


# CNN / DailyMail


def test_highlights_tell_what_the_article_tells() -> None:
    for row in rows_of("cnn_dailymail"):
        lines = row["highlights"].split("\n")
        assert len(lines) in (2, 3)
        assert all(line.endswith(" .") for line in lines)
        facts = re.findall(r"\$?\d[\d,]*|\b[A-Z][a-z]+ [A-Z][a-z]+\b", row["highlights"])
        said = row["article"].lower()
        names = [fact for fact in facts if fact[0].isdigit() or fact[0] == "$"]
        assert all(name.strip(",").lower() in said for name in names), row
    known = [
        len(set(tokens(r["highlights"])) & set(tokens(r["article"]))) / len(set(tokens(r["highlights"])))
        for r in rows_of("cnn_dailymail")
    ]
    assert 0.6 < sum(known) / len(known) < 0.95


# ToTTo


def test_sentences_state_the_highlighted_cells() -> None:
    for row in [*rows_of("totto"), *rows_of("totto", "val")]:
        table, cells = row["table"], row["highlighted_cells"]
        assert 1 <= len(cells) <= 4
        assert 4 <= len(table) <= 9 and 3 <= len(table[0]) <= 5
        assert all(cell["is_header"] for cell in table[0])
        width = len(table[0])
        assert all(sum(cell["column_span"] for cell in line) == width for line in table)
        for annotation in row["sentence_annotations"]:
            final = annotation["final_sentence"]
            for i, j in cells:
                value = table[i][j]["value"]
                stated = {"Won": "won", "Nominated": "nominated"}.get(value, value)
                assert stated in final, (value, final)
            assert annotation["original_sentence"].startswith(annotation["sentence_after_deletion"].removesuffix("."))


def test_totto_references_and_overlap() -> None:
    def headers(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(cell["value"] for cell in row["table"][0])

    train = {headers(row) for row in rows_of("totto", "train", 2400)}
    assert all(len(row["sentence_annotations"]) == 1 for row in rows_of("totto"))
    flags = Counter()
    for row in rows_of("totto", "val"):
        finals = [a["final_sentence"] for a in row["sentence_annotations"]]
        assert 2 <= len(set(finals)) == len(finals) <= 3
        flags[row["overlap_subset"]] += 1
        if not row["overlap_subset"]:
            assert headers(row) not in train
    assert 0.05 < flags[False] / flags.total() < 0.4


# NarrativeQA


def test_answers_are_in_the_story() -> None:
    stop = set(tokens("a an the it is was in on at of to by he she him her his because they meet there"))
    for row in rows_of("narrative_qa"):
        document, (first, second) = row["document"], row["answers"]
        story = set(tokens(document["summary"]["text"]))
        assert first["text"] != second["text"]
        content = set(tokens(first["text"])) - stop
        assert content <= story, (content - story, document["summary"]["text"])
        assert row["question"]["text"].endswith("?")
        assert document["summary"]["tokens"][-1] == "."
        assert "".join(document["summary"]["tokens"]) == document["summary"]["text"].replace(" ", "")
    sizes = Counter(row["document"]["id"] for row in rows_of("narrative_qa"))
    assert set(sizes.values()) == {3}


# DailyDialog


def test_dialogues() -> None:
    turns = Counter()
    for row in rows_of("daily_dialog"):
        assert len(row["dialog"]) == len(row["act"]) == len(row["emotion"])
        turns[len(row["dialog"])] += 1
        assert set(row["act"]) <= {1, 2, 3, 4} and set(row["emotion"]) <= set(range(7))
        for text, act in zip(row["dialog"], row["act"], strict=True):
            assert text.endswith((" .", " ?", " !")), text
            if act == 2:
                assert "?" in text, text
            if act in (1, 4):
                assert not text.endswith("?"), text
    assert set(turns) == {4, 5, 6, 7, 8}


def test_acts_are_learnable_and_follow_the_context() -> None:
    def utterances(split: str, n: int) -> list[tuple[str, int]]:
        return [
            (re.sub(r"\?", " questionmark ", text), act)
            for row in rows_of("daily_dialog", split, n)
            for text, act in zip(row["dialog"], row["act"], strict=True)
        ]

    assert accuracy(utterances("train", 600), utterances("test", 240)) > 0.9
    follows = Counter(pair for row in rows_of("daily_dialog") for pair in itertools.pairwise(row["act"]))
    assert follows[2, 1] > follows[2, 4] > 0
    assert follows[3, 4] > follows[3, 1] > 0
    acts = Counter(act for row in rows_of("daily_dialog") for act in row["act"])
    assert min(acts.values()) > 0.1 * acts.total()
    emotions = Counter(e for row in rows_of("daily_dialog") for e in row["emotion"])
    assert set(emotions) == set(range(7)) and emotions[0] > 0.5 * emotions.total()


# English and German


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
        (english.participle, "write down", "written down"),
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


I, YOU, HE, SHE, WE, THEY = (PRONOUNS[owner_] for owner_ in ("my", "your", "his", "her", "our", "their"))
YESTERDAY, TODAY, TOMORROW = Phrase("yesterday", "gestern"), Phrase("today", "heute"), Phrase("tomorrow", "morgen")
LAY = VerbEntry("put", Verb("legen", "legt", "gelegt"))
SPOT = prepositional("on", "auf", np("the", "table"), "acc")
TRIP = prepositional("", "auf", np("the", "trip"), "acc")

# Clause, order of the German, whether time is fronted, English, German: each verified by hand.
SENTENCES = [
    (Clause(np("the", "man", "old"), verb("give", DITRANSITIVE), dative=np("his", "daughter"), accusative=np("a", "bicycle", "new")),
     "second", False, "the old man gives his daughter a new bicycle", "der alte Mann gibt seiner Tochter ein neues Fahrrad"),
    (Clause(np("the", "doctor"), verb("help", DATIVE), "past", dative=np("the", "student", "young"), time=YESTERDAY),
     "second", False, "the doctor helped the young student yesterday", "der Arzt hat gestern dem jungen Studenten geholfen"),
    (Clause(SHE, verb("fly", TRAVEL), "past", complement=Phrase("to Berlin", "nach Berlin"), time=YESTERDAY),
     "second", True, "yesterday she flew to Berlin", "gestern ist sie nach Berlin geflogen"),
    (Clause(HE, verb("call"), accusative=np("his", "mother")),
     "second", False, "he calls his mother", "er ruft seine Mutter an"),
    (Clause(HE, verb("call"), accusative=np("his", "mother")),
     "last", False, "he calls his mother", "er seine Mutter anruft"),
    (Clause(HE, verb("call"), "past", accusative=np("his", "mother")),
     "last", False, "he called his mother", "er seine Mutter angerufen hat"),
    (Clause(I, verb("open"), "will", accusative=np("the", "window"), time=TOMORROW),
     "second", True, "tomorrow I will open the window", "morgen werde ich das Fenster öffnen"),
    (Clause(HE, verb("open"), accusative=np("the", "window"), time=TODAY, negation="nicht"),
     "second", False, "he does not open the window today", "er öffnet das Fenster heute nicht"),
    (Clause(WE, verb("turn on"), accusative=np("the", "lamp"), negation="nicht"),
     "second", False, "we do not turn on the lamp", "wir schalten die Lampe nicht ein"),
    (Clause(SHE, verb("buy"), "can", accusative=np("the", "car"), negation="nicht"),
     "second", False, "she cannot buy the car", "sie kann das Auto nicht kaufen"),
    (Clause(np("the", "doctor"), verb("look forward to", PREPOSITIONAL), complement=TRIP),
     "last", False, "the doctor looks forward to the trip", "sich der Arzt auf die Reise freut"),
    (Clause(YOU, verb("look forward to", PREPOSITIONAL), complement=TRIP),
     "second", False, "you look forward to the trip", "du freust dich auf die Reise"),
    (Clause(I, verb("visit"), "past", accusative=HE, time=YESTERDAY),
     "second", False, "I visited him yesterday", "ich habe ihn gestern besucht"),
    (Clause(np("the", "teacher"), verb("show", DITRANSITIVE), dative=WE, accusative=np("the", "picture"), time=TODAY),
     "second", False, "the teacher shows us the picture today", "die Lehrerin zeigt uns heute das Bild"),
    (Clause(SHE, LAY, "past", accusative=np("the", "letter"), complement=SPOT),
     "second", False, "she put the letter on the table", "sie hat den Brief auf den Tisch gelegt"),
    (Clause(YOU, verb("drink"), "progressive", accusative=np("", "coffee", "cold")),
     "second", False, "you are drinking cold coffee", "du trinkst gerade kalten Kaffee"),
    (Clause(np("the", "child", plural=True), verb("get up", INTRANSITIVE), "past", negation="nicht"),
     "second", False, "the children did not get up", "die Kinder sind nicht aufgestanden"),
    (Clause(THEY, verb("go back", MOTION), "want to", complement=prepositional("into", "in", np("the", "house", "old"), "acc")),
     "last", False, "they want to go back into the old house", "sie ins alte Haus zurückgehen wollen"),
    (Clause(I, BE, "past", complement=Phrase("tired", "müde")),
     "last", False, "I was tired", "ich müde war"),
    (Clause(IT, VerbEntry("rain", Verb("regnen", "regnet", "geregnet"))),
     "last", False, "it rains", "es regnet"),
    (Clause(HE, verb("help", DATIVE), dative=np("his", "brother"), time=TODAY, negation="nicht"),
     "second", False, "he does not help his brother today", "er hilft seinem Bruder heute nicht"),
    (Clause(SHE, verb("talk to", PREPOSITIONAL), "past",
            complement=prepositional("", "mit", np("the", "neighbor", "friendly", plural=True), "dat")),
     "second", False, "she talked to the friendly neighbors", "sie hat mit den freundlichen Nachbarn gesprochen"),
    (Clause(WE, verb("eat"), "have to", accusative=np("every", "apple"), adverb=None),
     "second", False, "we have to eat every apple", "wir müssen jeden Apfel essen"),
    (Clause(YOU, verb("wash"), "should", accusative=np("your", "shirt", plural=True)),
     "second", False, "you should wash your shirts", "du solltest deine Hemden waschen"),
    (Clause(HE, verb("read"), accusative=np("the", "newspaper"), adverb=Phrase("often", "oft")),
     "second", False, "he often reads the newspaper", "er liest oft die Zeitung"),
]  # fmt: skip


@pytest.mark.parametrize(("clause", "order", "fronted", "en", "de"), SENTENCES)
def test_clauses(clause: Clause, order: Any, fronted: bool, en: str, de: str) -> None:
    assert english_clause(clause, fronted) == en
    assert german_clause(clause, order, fronted) == de


@pytest.mark.parametrize(
    ("clause", "en", "de"),
    [
        (Clause(YOU, verb("read"), "past", accusative=np("the", "book")), "did you read the book", "hast du das Buch gelesen"),
        (Clause(YOU, verb("drive", MOTION), complement=Phrase("to the station", "zum Bahnhof")),
         "do you drive to the station", "fährst du zum Bahnhof"),
        (Clause(HE, verb("come along", INTRANSITIVE), "can"), "can he come along", "kann er mitkommen"),
        (Clause(THEY, BE, complement=Phrase("sick", "krank")), "are they sick", "sind sie krank"),
    ],
)  # fmt: skip
def test_questions(clause: Clause, en: str, de: str) -> None:
    assert english_clause(clause, question=True) == en
    assert german_clause(clause, "first") == de


def test_infinitives_contractions_and_relative_pronouns() -> None:
    assert german_zu_infinitive(Clause(I, verb("turn on"), accusative=np("the", "lamp"))) == "die Lampe einzuschalten"
    assert german_zu_infinitive(Clause(I, verb("open"), accusative=np("a", "door"))) == "eine Tür zu öffnen"
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
    for row in rows_of("iwslt2017", "train", 2400):
        words = re.findall(r"\w+", row["translation"]["de"])
        for article, following in itertools.pairwise(words):
            if article.lower() in articles and following in allowed:
                assert article.lower() in allowed[following], row
                checked += 1
    assert checked > 1500


def test_commas_and_verb_positions() -> None:
    """Subordinate clauses are set off by a comma, and their finite verb is not in second place."""
    seen = Counter()
    for row in rows_of("iwslt2017", "train", 2400):
        text = row["translation"]["de"]
        for binder in ("dass", "weil", "ob", "obwohl", "bevor", "während", "sobald"):
            if f" {binder} " in text:
                assert f", {binder} " in text
                seen[binder] += 1
        if text.startswith(("Wenn ", "Bevor ", "Während ", "Sobald ")):
            assert text.count(",") == 1
            seen["fronted"] += 1
        if " um " in text and " zu " in text and ", um " in text:
            seen["um"] += 1
    assert min(seen[b] for b in ("dass", "weil", "ob", "obwohl", "fronted", "um")) > 20
