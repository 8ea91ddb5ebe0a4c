from typing import Any

import pytest

from rl4lms.core.tables import MetricRegistry, RewardFunctionRegistry
from rl4lms.rewards.base import TextObservation
from tests.metrics.conftest import random_pairs
from tests.metrics.test_table import F, row

BEST = {"use_single_ref": False}
# reward id, its arguments, metric id, the metric's arguments, key
SAME_SCORE: list[tuple[str, dict[str, Any], str, dict[str, Any], str]] = [
    ("meteor", {}, "meteor", {}, "lexical/meteor"),
    ("rouge", {"rouge_type": "rouge1"}, "rouge", {}, "lexical/rouge_rouge1"),
    ("rouge", {"rouge_type": "rouge2", **BEST}, "rouge", BEST, "lexical/rouge_rouge2"),
    ("rouge_l_max", {"weight_factor": 1.2}, "rouge_l_max", {"weight_factor": 1.2}, "lexical/rouge_l_max"),
    ("bleu", {}, "bleu", {}, "lexical/bleu"),
    ("sacre_bleu", {"tokenize": "intl"}, "sacre_bleu", {"tokenize": "intl"}, "lexical/sacrebleu"),
    ("chrf", {}, "chrf", {}, "lexical/chrf"),
]  # fmt: skip


def call(reward: Any, text: str, references: list[str], meta_info: Any = None, prompt: str = "prompt") -> Any:
    before, after = TextObservation(prompt, "", references), TextObservation(prompt, text, references)
    return reward(before, 0, after, True, meta_info)


@pytest.mark.parametrize(("reward_id", "args", "metric_id", "metric_args", "key"), SAME_SCORE)
def test_reward_is_the_metrics_score(reward_id: str, args: Any, metric_id: str, metric_args: Any, key: str) -> None:
    reward = RewardFunctionRegistry.get(reward_id, args)
    assert reward.sparse
    texts, references = random_pairs(12, seed=1, references=3)
    expected, _ = MetricRegistry.get(metric_id, metric_args).compute(None, texts, references)[key]
    rewards = [call(reward, t, r) for t, r in zip(texts, references, strict=True)]
    assert rewards == expected
    assert all(type(r) is float for r in rewards)
    assert call(reward, "", ["a b"]) == 0.0


def test_rouge_combined_is_the_mean_of_three_against_the_first_reference() -> None:
    text, references = "a b c d", ["a b d c", "a b c d"]
    single = [
        call(RewardFunctionRegistry.get("rouge", {"rouge_type": t}), text, references)
        for t in ("rouge1", "rouge2", "rougeL")
    ]
    assert call(RewardFunctionRegistry.get("rouge_combined"), text, references) == pytest.approx(sum(single) / 3)


def test_ter_rises_as_the_translation_gets_better() -> None:
    reward = RewardFunctionRegistry.get("ter")
    reference = ["das ist ein kleines haus"]
    better = ["eins zwei drei vier funf sechs", "das war ein haus", "das ist ein haus", "das ist ein kleines haus"]
    rewards = [call(reward, text, reference) for text in better]
    assert rewards == sorted(rewards)
    assert rewards[-1] == 1.0
    assert rewards[0] == pytest.approx(1 - 6 / 5)
    assert call(reward, "das ist ein haus", reference) == pytest.approx(1 - 1 / 5)
    assert call(reward, "", reference) == 0.0


def test_parent_reads_the_meta_info() -> None:
    text = "Ada Lovelace was born in 1815."
    expected, _ = MetricRegistry.get("parent_totto").compute(None, [text], None, [{"raw_table": row()}])[F]
    assert [call(RewardFunctionRegistry.get("parent"), text, ["x"], {"raw_table": row()})] == expected


def test_published_face() -> None:
    from rl4lms.envs.text_generation import reward as face

    assert issubclass(face.MeteorRewardFunction, face.RewardFunction)
    assert issubclass(face.LearnedRewardFunction, face.BatchedRewardFunction)
    published = """TER BERTScoreRewardFunction BLEURTRewardFunction BLEURewardFunction IntentAccuracy RougeCombined
        BatchedCommonGenPenaltyShapingFunction CommonGenPenaltyShapingFunction LearnedBatchedRewardFunction
        PARENTRewardFunction RougeLMaxRewardFunction RougeRewardFunction SacreBleu SpiderRewardFunction chrF""".split()
    assert all(callable(getattr(face, name)) for name in published)
