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
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.tables import TASKS as TABLE
from rl4lms.data_pools.dataset import SPLITS
from rl4lms.data_pools.generators import english
from rl4lms.data_pools.generators.splits import distinct, owner
from rl4lms.tasks.task import task_of
from rl4lms.tasks.totto.generator import DOMAINS

Rows = list[dict[str, Any]]
TASKS = tuple(TABLE.ids())


def generate(task: str, split: str, n: int, seed: int) -> Rows:
    return task_of(task).generate(split, n, seed)


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
        "import hashlib, json; from rl4lms.core.tables import TASKS; "
        "from rl4lms.tasks.task import task_of; "
        "rows = [task_of(t).generate(s, 30, 7) for t in TASKS.ids() for s in ('train', 'val', 'test')]; "
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
    units = {split: {task_of(task).data.key(row) for row in rows_of(task, split)} for split in SPLITS}
    for one, other in itertools.combinations(SPLITS, 2):
        assert not units[one] & units[other]


def test_tables_of_one_page_and_german_sentences_do_not_cross_splits() -> None:
    titles = [{row["table_page_title"] for row in rows_of("totto", split)} for split in SPLITS]
    german = [{row["translation"]["de"] for row in rows_of("iwslt2017", split)} for split in SPLITS]
    for one, other in [*itertools.combinations(titles, 2), *itertools.combinations(german, 2)]:
        assert not one & other


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
        ("totto", 200, 0.45),
        ("iwslt2017", 150, 0.35),
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
        ("iwslt2017", [(5, 11), (5, 11)]),
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


def test_sentences_are_made_of_the_highlighted_cells() -> None:
    """Without title and cells, a final sentence is one of the listed ones, and it names each highlighted column."""
    domains = {domain.occupation: domain for domain in DOMAINS}
    listed = {
        sentence: keys for domain in DOMAINS for keys, sentences in domain.facts.items() for sentence in sentences
    }
    for row in [*rows_of("totto"), *rows_of("totto", "val")]:
        table, cells = row["table"], row["highlighted_cells"]
        assert 2 <= len(cells) <= 3
        assert 4 <= len(table) <= 8 and {len(line) for line in table} <= {3, 4}
        assert all(cell["is_header"] == (i == 0) for i, line in enumerate(table) for cell in line)
        years = [int(line[0]["value"]) for line in table[1:]]
        assert years == sorted(set(years))
        (domain,) = (d for d in domains.values() if row["table_section_title"] in d.sections)
        keys = tuple(domain.columns)
        for annotation in row["sentence_annotations"]:
            sentence = annotation["final_sentence"].replace(row["table_page_title"].split(" (")[0], "[page]")
            for i, j in cells:
                assert sentence.count(table[i][j]["value"]) == 1, (sentence, table[i][j])
                sentence = sentence.replace(table[i][j]["value"], f"[{keys[j]}]")
            assert listed[sentence] == tuple(keys[j] for _, j in cells)
            assert annotation["original_sentence"].startswith(annotation["sentence_after_deletion"].removesuffix("."))
            assert "[" not in annotation["sentence_after_deletion"]


def test_totto_references_and_overlap() -> None:
    def headers(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(cell["value"] for cell in row["table"][0])

    train = {headers(row) for row in rows_of("totto", "train", 2400)}
    assert all(len(row["sentence_annotations"]) == 1 for row in rows_of("totto"))
    flags: Counter[bool] = Counter()
    for row in rows_of("totto", "val"):
        finals = [a["final_sentence"] for a in row["sentence_annotations"]]
        assert 2 <= len(set(finals)) == len(finals) <= 3
        flags[row["overlap_subset"]] += 1
        if not row["overlap_subset"]:
            assert headers(row) not in train
    assert 0.05 < flags[False] / flags.total() < 0.4


# NarrativeQA


def test_answers_are_in_the_story() -> None:
    stop = set(tokens("a an the it is was in on at of to by he she him her his because they meet there with after for"))
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
    turns: Counter[int] = Counter()
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
