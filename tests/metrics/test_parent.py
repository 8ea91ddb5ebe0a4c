import math
import random

import pytest

from rl4lms.metrics.parent import Parent, parent, parent_of_pair


def test_example_by_hand() -> None:
    """text "a c", reference "a d", table {a, b}, entries a and b.

    Precision: unigrams (1 + 0) / 2, bigrams 1/2 (one of two words entailed), none longer: 1e-5 each.
    Recall of the reference: unigrams 1 ("d" is not entailed), bigrams 0 -> 1e-5, none longer: 1 each.
    Recall of the table 1/2; the reference leaves half of the entries out, so lambda = 1/2.
    """
    precision = (0.5 * 0.5 * 1e-5 * 1e-5) ** 0.25
    recall = math.sqrt((1e-5) ** 0.25 * 0.5)
    result = parent_of_pair(["a", "c"], ["a", "d"], frozenset("ab"), [["a"], ["b"]])
    f_score = 2 * precision * recall / (precision + recall + 1e-8)
    assert result == pytest.approx(Parent(precision, recall, f_score), rel=1e-12)


def test_perfect_and_disjoint() -> None:
    words = ["the", "cat", "sat", "on", "mats"]
    perfect = parent(words, [words], frozenset(words), [["cat"], ["mats"]])
    assert perfect.precision == pytest.approx(1.0)
    assert perfect.recall == pytest.approx(1.0)
    disjoint = parent(["zzz"] * 5, [words], frozenset(words), [["cat"]])
    assert disjoint.precision == 0.0
    assert disjoint.f_score == 0.0


def test_best_reference_counts() -> None:
    words, other = ["a", "b", "c", "d", "e"], ["v", "w", "x", "y", "z"]
    table = frozenset("ab")
    assert parent(words, [other, words], table, [["a"]]) == parent_of_pair(words, words, table, [["a"]])


def test_without_entries_the_reference_alone_is_recalled() -> None:
    words = ["a", "b", "c", "d"]
    assert parent_of_pair(words, words, frozenset(words), []).recall == pytest.approx(1.0)


def slow_lcs(a: list[str], b: list[str]) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def slow_parent(text: list[str], reference: list[str], table: set[str], entries: list[list[str]]) -> Parent:
    """Dhingra et al. (2019), equations 1 to 8, token occurrence by token occurrence."""

    def grams(words: list[str], n: int) -> list[tuple[str, ...]]:
        return [tuple(words[i : i + n]) for i in range(len(words)) if i + n <= len(words)]

    def entailed(gram: tuple[str, ...]) -> float:
        return len([w for w in gram if w in table]) / len(gram)

    precisions, recalls = [], []
    for n in (1, 2, 3, 4):
        mine, theirs = grams(text, n), grams(reference, n)
        gain = 0.0
        for gram in mine:
            p_in_reference = min(1.0, theirs.count(gram) / mine.count(gram))
            gain += p_in_reference + (1 - p_in_reference) * entailed(gram)
        precisions.append(gain / len(mine) if mine else 0.0)
        above = sum(entailed(g) * min(1.0, mine.count(g) / theirs.count(g)) for g in theirs)
        below = sum(entailed(g) for g in theirs)
        recalls.append(above / below if below else 1.0)

    def combine(values: list[float]) -> float:
        head, *tail = values
        return math.prod([head, *(v if v else 1e-5 for v in tail)]) ** 0.25

    precision, reference_recall = combine(precisions), combine(recalls) or 1e-5
    table_recall = sum(slow_lcs(e, text) / len(e) for e in entries) / len(entries) or 1e-5
    weight = 1 - sum(slow_lcs(e, reference) / len(e) for e in entries) / len(entries)
    recall = math.exp((1 - weight) * math.log(reference_recall) + weight * math.log(table_recall))
    return Parent(precision, recall, 2 * precision * recall / (precision + recall + 1e-8))


def test_equals_a_slow_independent_definition() -> None:
    rng = random.Random(0)
    for _ in range(200):
        text, reference = ([rng.choice("abcdef") for _ in range(rng.randint(1, 9))] for _ in range(2))
        entries = [[rng.choice("abcdef") for _ in range(rng.randint(1, 3))] for _ in range(rng.randint(1, 3))]
        table = {w for entry in entries for w in entry} | {rng.choice("abcdef")}
        expected = slow_parent(text, reference, table, entries)
        assert parent_of_pair(text, reference, frozenset(table), entries) == pytest.approx(expected, rel=1e-9)
