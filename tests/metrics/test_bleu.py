import math

import pytest
import sacrebleu

from rl4lms.metrics.bleu import BLEUMetric
from tests.metrics.conftest import random_pairs


def corpus(texts: list[str], references: list[list[str]]) -> float:
    return BLEUMetric().compute(None, texts, references)["lexical/bleu"][1]


def test_example_by_hand() -> None:
    # precisions 4/5, 3/4, 2/3, 1/2; five words against the shortest reference's six: penalty exp(1 - 6/5)
    expected = math.exp(1 - 6 / 5) * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert corpus(["a b c d x"], [["a b c d e f", "q q q q q q q q"]]) == pytest.approx(expected)


def test_words_are_clipped_to_the_reference_that_has_most() -> None:
    scores, _ = BLEUMetric().compute(None, ["a a a a a"], [["a a b", "a a a c a"]])["lexical/bleu"]
    assert scores == [0.0]  # no 4-gram of a in either
    assert corpus(["a a a a"], [["a a a a b b", "c"]]) == pytest.approx(1.0)


def test_equals_sacrebleu_where_they_define_the_same() -> None:
    texts, references = random_pairs(60, seed=6)
    expected = sacrebleu.corpus_bleu(texts, [[r[0] for r in references]], tokenize="none", smooth_method="none").score
    assert expected > 1
    assert corpus(texts, references) == pytest.approx(expected / 100, abs=1e-12)


def test_empty_text_is_zero_and_not_a_word() -> None:
    assert BLEUMetric().compute(None, [""], [["a b"]])["lexical/bleu"] == ([0.0], 0.0)
    assert corpus(["", "a b c d"], [["a b c d"], ["a b c d"]]) == pytest.approx(math.exp(1 - 8 / 4))
    assert corpus(["a"], [[""]]) == 0.0


def test_order_of_samples_does_not_matter() -> None:
    texts, references = random_pairs(30, seed=7, references=3)
    assert corpus(texts[::-1], references[::-1]) == corpus(texts, references)
