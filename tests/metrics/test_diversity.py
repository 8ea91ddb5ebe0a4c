import math
import random
from collections import Counter

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.metrics.diversity import DiversityMetrics
from tests.metrics.conftest import random_pairs


def compute(texts: list[str], window_size: int = 100) -> dict[str, float]:
    result = DiversityMetrics(window_size).compute(None, texts, None)
    assert all(scores is None for scores, _ in result.values())
    return {key.removeprefix("diversity_metrics/"): value for key, (_, value) in result.items()}


# The values that GEM-metrics' own tests expect (tests/test_ngram.py, "mixed" and "repeated").
GEM_MIXED = {
    "total_length": 9, "mean_pred_length": 3.0, "std_pred_length": 4.242640687119285, "median_pred_length": 0.0,
    "min_pred_length": 0, "max_pred_length": 9, "distinct-1": 0.5555555555555556, "vocab_size-1": 5, "unique-1": 3,
    "entropy-1": 2.113283334294875, "distinct-2": 0.75, "vocab_size-2": 6, "unique-2": 5,
    "entropy-2": 2.4056390622295662, "cond_entropy-2": 0.42443593632812127, "distinct-3": 1.0, "vocab_size-3": 7,
    "unique-3": 7, "entropy-3": 2.807354922057604, "cond_entropy-3": 0.486624565223814,
}  # fmt: skip
GEM_REPEATED = {
    "total_length": 7, "distinct-1": 0.14285714285714285, "distinct-2": 0.16666666666666666, "distinct-3": 0.2,
    "vocab_size-3": 1, "unique-1": 0, "entropy-1": 0.0, "cond_entropy-2": 0.0, "cond_entropy-3": 0.0,
}  # fmt: skip


def test_golden_values_of_gem() -> None:
    mixed = compute(["", "token number one token number two token number three", ""])
    for key, value in GEM_MIXED.items():
        assert mixed[key] == pytest.approx(value, abs=1e-12), key
        assert mixed[f"{key}-nopunct"] == pytest.approx(value, abs=1e-12), key
    repeated = compute(["token token token token token token token"])
    assert {key: repeated[key] for key in GEM_REPEATED} == pytest.approx(GEM_REPEATED, abs=1e-12)


def test_msttr_by_window_as_gem_tests_it() -> None:
    disjoint = ["one two three four five six seven eight nine ten"] * 2
    same = ["token " * 10] * 3
    for window in range(1, 11):
        assert compute(disjoint, window)[f"msttr-{window}"] == pytest.approx(1.0)
        assert compute(same, window)[f"msttr-{window}"] == pytest.approx(1 / window)


def test_msttr_by_hand() -> None:
    # a a b | b c d, the incomplete segment "e" is dropped; without punctuation a b b | c d e
    values = compute(["A a b", "b c d", "e"], 3)
    assert values["msttr-3"] == pytest.approx((2 / 3 + 3 / 3) / 2)
    assert compute(["a ! b b c d e"], 3)["msttr-3_nopunct"] == pytest.approx((2 / 3 + 1) / 2)
    assert compute(["a b a"], 100)["msttr-100"] == pytest.approx(2 / 3)  # less than one segment


def test_entropy_by_definition() -> None:
    rng = random.Random(0)
    texts = [" ".join(rng.choice("abcdefgh") for _ in range(12)) for _ in range(9)]
    pairs = Counter(pair for text in texts for pair in zip(text.split(), text.split()[1:], strict=False))
    n = pairs.total()
    values = compute(texts)
    assert values["entropy-2"] == pytest.approx(-sum(c / n * math.log2(c / n) for c in pairs.values()))
    assert values["vocab_size-2"] == len(pairs)
    assert values["distinct-2"] == len(pairs) / n
    assert values["unique-2"] == len([c for c in pairs.values() if c == 1])


def test_punctuation_and_case() -> None:
    values = compute(["The cat, the CAT!"])
    assert (values["vocab_size-1"], values["vocab_size-1-nopunct"]) == (4, 2)
    assert values["total_length-nopunct"] == 4
    assert values["cond_entropy-2-nopunct"] < values["entropy-1-nopunct"]


def test_empty_texts_are_finite() -> None:
    values = compute(["", ""])
    assert set(values.values()) == {0.0}
    assert all(math.isfinite(v) for v in compute(["東京"]).values())


def test_order_matters_to_segments_alone() -> None:
    texts, _ = random_pairs(30, seed=10)
    forward, backward = compute(texts, 10), compute(texts[::-1], 10)
    assert {k for k in forward if forward[k] != pytest.approx(backward[k])} <= {"msttr-10", "msttr-10_nopunct"}


def test_bad_window() -> None:
    with pytest.raises(ConfigError, match="window_size"):
        DiversityMetrics(0)
