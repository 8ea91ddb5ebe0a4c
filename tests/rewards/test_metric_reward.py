from pathlib import Path

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.core.tables import MetricRegistry, RewardFunctionRegistry
from tests.metrics.conftest import random_pairs


def batch(n: int) -> tuple[list[str], list[str], list[list[str]], list[bool]]:
    texts, references = random_pairs(n, seed=2, references=2)
    return [f"prompt {i}" for i in range(n)], texts, references, [True] * n


def test_any_metric_is_a_reward() -> None:
    prompts, texts, references, dones = batch(6)
    dones[2] = False
    rewards = RewardFunctionRegistry.get("metric_reward", {"metric": "chrf"})(prompts, texts, references, dones)
    expected, _ = MetricRegistry.get("chrf").compute(None, texts, references)["lexical/chrf"]
    assert expected is not None
    assert rewards == [0.0 if i == 2 else score for i, score in enumerate(expected)]


def test_scale_and_offset_turn_a_falling_metric() -> None:
    prompts, texts, references, dones = batch(5)
    args = {"metric": "ter", "scale": -1.0, "offset": 1.0}
    rewards = RewardFunctionRegistry.get("metric_reward", args)(prompts, texts, references, dones)
    expected, _ = MetricRegistry.get("ter").compute(None, texts, references)["lexical/ter"]
    assert expected is not None
    assert rewards == pytest.approx([1 - score for score in expected])


def test_a_metric_without_scores_per_text_is_asked_text_by_text() -> None:
    args = {"metric": "diversity", "key": "diversity_metrics/distinct-1"}
    rewards = RewardFunctionRegistry.get("metric_reward", args)(
        ["p", "p"], ["a a", "a b"], [["r"], ["r"]], [True, True]
    )
    assert rewards == [0.5, 1.0]


def test_shaping() -> None:
    prompt = "generate a sentence with: dog run."
    args = {"metric": "rouge", "key": "lexical/rouge_rouge1", "shaping_fn": "common_gen_repeat_penalty"}
    reward = RewardFunctionRegistry.get("metric_reward", args)
    assert reward([prompt] * 2, ["a dog", "dog run"], [["a dog"], ["dog run"]], [True] * 2) == [1.0, 0.0]


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError, match='unknown metric "chr"'):
        RewardFunctionRegistry.get("metric_reward", {"metric": "chr"})
    prompts, texts, references, dones = batch(2)
    with pytest.raises(ConfigError, match="4 results; name one as key: lexical/rouge_rouge1"):
        RewardFunctionRegistry.get("metric_reward", {"metric": "rouge"})(prompts, texts, references, dones)
    reward = RewardFunctionRegistry.get("metric_reward", {"metric": "rouge", "key": "lexical/rouge1"})
    with pytest.raises(ConfigError, match='Did you mean "lexical/rouge_rouge1"'):
        reward(prompts, texts, references, dones)


def test_a_score_that_depends_on_the_batch_is_no_reward_until_it_is_fitted() -> None:
    prompts, texts, references, dones = batch(6)
    reward = RewardFunctionRegistry.get("metric_reward", {"metric": "cider"})
    with pytest.raises(ConfigError, match="reward metric_reward: a text's score by metric cider depends on the batch"):
        reward(prompts, texts, references, dones)
    assert reward.needs_references
    reward.fit_references([*references, ["some other sample"]])
    assert not reward.needs_references
    together = reward(prompts, texts, references, dones)
    alone = [reward([p], [t], [r], [True])[0] for p, t, r in zip(prompts, texts, references, strict=True)]
    assert together == alone
    assert max(together) > 0


def test_a_corpus_of_the_configuration_comes_first(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("the cat\nthe dog\n", encoding="utf-8")
    args = {"metric": "cider", "args": {"idf": str(tmp_path / "corpus.txt")}}
    assert not RewardFunctionRegistry.get("metric_reward", args).needs_references
