from typing import Any

import pytest
import sacrebleu

from rl4lms.core.errors import ConfigError
from rl4lms.metrics.base import ReferenceMetric
from rl4lms.metrics.sacre_bleu import ChrFMetric, SacreBLEUMetric, TERMetric
from tests.metrics.conftest import random_pairs

OFFICIAL: list[tuple[type[ReferenceMetric], dict[str, Any], Any]] = [
    (SacreBLEUMetric, {}, sacrebleu.BLEU()),
    (SacreBLEUMetric, {"tokenize": "intl", "lowercase": True}, sacrebleu.BLEU(tokenize="intl", lowercase=True)),
    (SacreBLEUMetric, {"use_effective_order": True}, sacrebleu.BLEU(effective_order=True)),
    (SacreBLEUMetric, {"smooth_method": "add-k"}, sacrebleu.BLEU(smooth_method="add-k")),
    (ChrFMetric, {}, sacrebleu.CHRF()),
    (ChrFMetric, {"word_order": 2}, sacrebleu.CHRF(word_order=2)),
    (TERMetric, {}, sacrebleu.TER()),
    (TERMetric, {"ignore_punct": True, "case_sensitive": True}, sacrebleu.TER(no_punct=True, case_sensitive=True)),
]  # fmt: skip


@pytest.mark.parametrize(("metric", "args", "official"), OFFICIAL)
def test_equals_sacrebleu(metric: type[Any], args: dict[str, Any], official: Any) -> None:
    texts, references = random_pairs(40, seed=8, references=3)
    streams = [[r[i] if i < len(r) else None for r in references] for i in range(3)]
    ((scores, value),) = metric(**args).compute(None, texts, references).values()
    assert value == pytest.approx(official.corpus_score(texts, streams).score / 100, abs=1e-12)
    alone = [
        official.corpus_score([t], [[r] for r in refs]).score / 100 for t, refs in zip(texts, references, strict=True)
    ]
    assert scores == pytest.approx(alone, abs=1e-12)


def test_keys_and_labels() -> None:
    for metric, key in ((SacreBLEUMetric, "sacrebleu"), (ChrFMetric, "chrf"), (TERMetric, "ter")):
        assert set(metric().compute(None, ["a"], [["a"]])) == {f"lexical/{key}"}
    assert SacreBLEUMetric(tokenize="intl").labels()["lexical/sacrebleu"].endswith(", tokenize=intl")


def test_empty_texts_and_references() -> None:
    assert SacreBLEUMetric().compute(None, ["", "a"], [["a"], [""]])["lexical/sacrebleu"] == ([0.0, 0.0], 0.0)
    assert ChrFMetric().compute(None, ["", "a"], [["a"], [""]])["lexical/chrf"] == ([0.0, 0.0], 0.0)
    assert TERMetric().compute(None, ["", "a", ""], [["a"], [""], [""]])["lexical/ter"][0] == [1.0, 1.0, 0.0]


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError, match='Did you mean "tokenize"'):
        SacreBLEUMetric(tokenise="intl")
    with pytest.raises(ConfigError, match='unknown tokenize "int"'):
        SacreBLEUMetric(tokenize="int")
    with pytest.raises(ConfigError, match='unknown smooth_method "exponential"'):
        SacreBLEUMetric(smooth_method="exponential")
    with pytest.raises(ConfigError, match="references"):
        ChrFMetric(references=[["a"]])
