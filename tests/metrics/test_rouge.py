from typing import Any

import numpy as np
import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.metrics.rouge import ROUGE_TYPES, RougeMetric, RougeScorer
from tests.metrics.conftest import random_pairs


def official(rouge_types: Any = ROUGE_TYPES) -> Any:
    from rouge_score.rouge_scorer import RougeScorer as Official

    return Official(list(rouge_types), use_stemmer=True)


@pytest.mark.parametrize("lines", [1, 4])
def test_equals_rouge_score(lines: int) -> None:
    scorer, reference_scorer = RougeScorer(ROUGE_TYPES), official()
    texts, references = random_pairs(150, seed=lines, lines=lines)
    for text, refs in zip(texts, references, strict=True):
        expected = {t: s.fmeasure for t, s in reference_scorer.score(refs[0], text).items()}
        assert scorer.score(refs[0], text) == expected


def test_golden() -> None:
    # rouge_score 0.1.2: RougeScorer([...], use_stemmer=True).score(reference, text)
    text, reference = "the children were playing\nin the big gardens", "a child plays in gardens\nwhich are big"
    scores = RougeMetric().compute(None, [text], [[reference]])
    golden = {t: s.fmeasure for t, s in official().score(reference, text).items()}
    assert {k: v for k, (_, v) in scores.items()} == {f"lexical/rouge_{t}": v for t, v in golden.items()}
    assert golden["rouge1"] == pytest.approx(0.5)
    assert golden["rougeL"] == pytest.approx(0.375)


def test_first_reference_or_best() -> None:
    texts, references = ["a b c d"], [["x y", "a b c d", "a b"]]
    assert RougeMetric().compute(None, texts, references)["lexical/rouge_rouge1"] == ([0.0], 0.0)
    assert RougeMetric(use_single_ref=False).compute(None, texts, references)["lexical/rouge_rouge1"] == ([1.0], 1.0)


def test_mean_over_samples_is_plain_and_draws_no_random_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a random number was drawn")

    for name in ("choice", "randint", "random", "permutation"):
        monkeypatch.setattr(np.random, name, draw)
    texts, references = random_pairs(40, seed=3)
    result = RougeMetric().compute(None, texts, references)
    for scores, value in result.values():
        assert scores is not None
        assert value == pytest.approx(np.mean(scores), abs=1e-12)
    backwards = RougeMetric().compute(None, texts[::-1], references[::-1])
    assert {k: v for k, (_, v) in backwards.items()} == {k: v for k, (_, v) in result.items()}


def test_one_type_alone_is_the_same_number() -> None:
    texts, references = random_pairs(20, seed=4, lines=2)
    everything = RougeMetric().compute(None, texts, references)
    for rouge_type in ROUGE_TYPES:
        key = f"lexical/rouge_{rouge_type}"
        assert RougeMetric(rouge_types=(rouge_type,)).compute(None, texts, references) == {key: everything[key]}


def test_bad_input() -> None:
    with pytest.raises(ConfigError, match='Did you mean "rougeL"'):
        RougeMetric(rouge_types=("rougel",))
    with pytest.raises(DataError, match="no reference"):
        RougeMetric().compute(None, ["a"], [[]])
    with pytest.raises(DataError, match="1 texts but 2"):
        RougeMetric().compute(None, ["a"], [["a"], ["b"]])
    with pytest.raises(DataError, match="expected a list of strings"):
        RougeMetric().compute(None, ["a"], ["a"])
