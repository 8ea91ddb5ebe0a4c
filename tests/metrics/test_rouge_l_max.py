import itertools
import random
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.metrics import rouge_l_max, sentences
from rl4lms.metrics.rouge_l_max import RougeLMax, common_words
from rl4lms.metrics.sentences import SentenceSplitter
from tests.metrics.conftest import WORDS, random_pairs

NARRATIVE_QA: dict[str, Any] = {
    "max_n": 4, "limit_length": True, "length_limit": 100, "length_limit_type": "words", "apply_avg": True,
    "apply_best": True, "alpha": 0.5, "weight_factor": 1.2, "stemming": True,
}  # fmt: skip
SETTINGS: tuple[dict[str, Any], ...] = (
    NARRATIVE_QA,
    {},
    {"stemming": False},
    {"length_limit": 3, "length_limit_type": "words"},
    {"length_limit": 12},
)
# py-rouge 1.1: rouge.Rouge(metrics=["rouge-l"], **settings).get_scores(text, [reference])["rouge-l"]["f"]
GOLDEN = [
    ("the children went accidentally to the house", "a child goes to houses by accident",
     [0.627289896746, 0.571428571429, 0.142857142857, 0.666666666667, 0.4]),
    ("He's gonna say that he cannot", "he is going to say he can not",
     [0.441596941125, 0.375, 0.375, 0.25, 0.25]),
    ("one line here\nand a second one", "a second line\nand one here is",
     [0.879449707185, 0.857142857143, 0.857142857143, 0.333333333333, 0.0]),
    ("governmental agreements", "the government agreed",
     [0.467306428097, 0.4, 0.0, 0.4, 0.0]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reference", "expected"), GOLDEN)
def test_golden_values_of_py_rouge(text: str, reference: str, expected: list[float]) -> None:
    for settings, value in zip(SETTINGS, expected, strict=True):
        assert RougeLMax(**settings).f_score(text, reference) == pytest.approx(value, abs=1e-11)


def slow_lcs(a: list[str], b: list[str]) -> int:
    for size in range(len(a), 0, -1):
        for subsequence in itertools.combinations(a, size):
            rest = iter(b)
            if all(word in rest for word in subsequence):
                return size
    return 0


def test_common_words_of_single_lines_is_the_lcs() -> None:
    rng = random.Random(0)
    for _ in range(60):
        a, b = ([rng.choice("abcd") for _ in range(rng.randint(1, 7))] for _ in range(2))
        assert common_words([a], [b]) == slow_lcs(a, b)
        assert common_words([a, []], [b, []]) == slow_lcs(a, b)  # through the union of lines


def test_best_over_references_and_mean_over_texts() -> None:
    metric = RougeLMax(**NARRATIVE_QA)
    texts, references = random_pairs(30, seed=2, references=3)
    scores, value = metric.compute(None, texts, references)["lexical/rouge_l_max"]
    assert scores == [max(metric.f_score(t, r) for r in refs) for t, refs in zip(texts, references, strict=True)]
    assert scores is not None
    assert value == pytest.approx(sum(scores) / 30)
    shuffled = [refs[::-1] for refs in references]
    assert metric.compute(None, texts, shuffled)["lexical/rouge_l_max"] == (scores, value)


def test_empty_texts_score_zero() -> None:
    metric = RougeLMax(**NARRATIVE_QA)
    assert metric.compute(None, ["", "...", "a"], [["a"], ["a"], ["", "?"]])["lexical/rouge_l_max"] == ([0, 0, 0], 0.0)


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError, match='unknown length_limit_type "word"'):
        RougeLMax(length_limit_type="word")
    with pytest.raises(ConfigError, match="weight_factor"):
        RougeLMax(weight_factor=0)


def test_missing_word_tables_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rouge_l_max, "_PACKAGE", "no-such-package")
    rouge_l_max.irregular_forms.cache_clear()
    with pytest.raises(ConfigError, match="pip install --no-deps"):
        RougeLMax()
    rouge_l_max.irregular_forms.cache_clear()
    assert RougeLMax(stemming=False).f_score(WORDS[0], WORDS[0]) == 1.0


def test_without_compatibility_nltks_own_stems_and_cannot_is_two_words(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = SentenceSplitter("whole", lambda text: [text] if text else [])
    monkeypatch.setattr(rouge_l_max, "sentence_splitter", lambda: whole)
    metric = RougeLMax(ensure_compatibility=False)
    assert metric.f_score("he cannot", "he can not") == 1.0 > RougeLMax().f_score("he cannot", "he can not")
    assert metric.f_score("", "he") == 0.0


def test_without_punkt_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "_nltk_splitter", lambda language: None)
    monkeypatch.setattr(sentences, "_packaged_splitter", lambda language: None)
    sentences.sentence_splitter.cache_clear()
    with pytest.raises(ConfigError, match="nltk.downloader punkt_tab"):
        RougeLMax(ensure_compatibility=False)
    sentences.sentence_splitter.cache_clear()
