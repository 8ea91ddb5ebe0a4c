"""The sum of two metrics, by stand-ins with known scores: the real ones have tests of their own."""

from collections.abc import Sequence
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.core.tables import MetricRegistry, RewardFunctionRegistry
from rl4lms.metrics.base import MetricResult, ReferenceMetric, mean

PROMPT = "generate a sentence with: dog run."
TEXTS, REFERENCES = ["a", "dog run", "a b c"], [["x"], ["y z"], ["w"]]
DONES = [True, True, True]


class Spice(ReferenceMetric):
    """Words of the text over ten."""

    name = "spice"
    built = 0

    def __init__(self, java: str = "java") -> None:
        type(self).built += 1
        self.java = java

    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        scores = [len(text.split()) / 10 for text in texts]
        return {"lexical/spice": (scores, mean(scores))}


class Cider(ReferenceMetric):
    """Samples of the corpus, or of the batch where it has none."""

    name = "cider"

    def __init__(self, idf: str | None = None) -> None:
        self.n = 7 if idf else 0

    @property
    def depends_on_batch(self) -> bool:
        return not self.n

    def fit(self, references: Sequence[Sequence[str]], source: str = "") -> None:
        self.n = len(references)

    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        scores = [float(self.n or len(texts))] * len(texts)
        return {"lexical/cider": (scores, mean(scores))}


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {**MetricRegistry.table._entries, "spice": Spice, "cider": Cider}
    monkeypatch.setattr(MetricRegistry.table, "_entries", entries)
    Spice.built = 0


def spider(**args: Any) -> Any:
    return RewardFunctionRegistry.get("spider", args)


def test_weighted_sum_with_a_fixed_corpus() -> None:
    reward = spider(spice_coeff=2.0, cider_coeff=0.5)
    assert reward.needs_references
    reward.fit_references([["r"]] * 5)
    assert not reward.needs_references
    assert reward([PROMPT] * 3, TEXTS, REFERENCES, DONES) == pytest.approx([0.2 + 2.5, 0.4 + 2.5, 0.6 + 2.5])
    assert reward([PROMPT] * 3, TEXTS, REFERENCES, [False, True, False]) == pytest.approx([0.0, 2.9, 0.0])


def test_the_rollout_is_no_corpus() -> None:
    with pytest.raises(ConfigError, match="cider_args.idf"):
        spider(spice_coeff=0.0, cider_coeff=1.0)([PROMPT] * 3, TEXTS, REFERENCES, DONES)
    reward = spider(spice_coeff=0.0, cider_coeff=1.0, cider_args={"idf": "references.jsonl"})
    assert not reward.needs_references
    assert reward([PROMPT] * 3, TEXTS, REFERENCES, DONES) == [7.0] * 3


def test_a_metric_without_weight_is_not_built() -> None:
    reward = spider(spice_coeff=0.0, cider_coeff=1.0, cider_args={"idf": "x"})
    assert Spice.built == 0
    assert reward([PROMPT], ["a"], [["x"]], [True]) == [7.0]
    assert not spider(spice_coeff=1.0, cider_coeff=0.0).needs_references
    with pytest.raises(ConfigError, match="are both 0"):
        spider(spice_coeff=0, cider_coeff=0)


@pytest.mark.parametrize("suffix", ["", "_batched"])
def test_shaping_goes_to_the_text_that_earned_it(suffix: str) -> None:
    """RL4LMs lined the shaping of all texts up with the finished ones alone."""
    args = {"spice_coeff": 1.0, "cider_coeff": 0.0, "shaping_fn": f"common_gen_repeat_penalty{suffix}"}
    rewards = spider(**args)([PROMPT] * 3, TEXTS, REFERENCES, [False, True, True])
    assert rewards == pytest.approx([0.0, 0.2 - 1.0, 0.3])
