from typing import Any

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.tables import RewardFunctionRegistry
from rl4lms.rewards.shaping import repeat_penalty
from tests.metrics.test_table import row
from tests.rewards.test_overlap import call

PROMPT = "generate a sentence with: dog ball run."


@pytest.mark.parametrize(
    ("text", "penalty"),
    [
        ("A dog runs after its ball.", 0.0),
        ("the Dog Ball Run again", -1.0),
        ("dog ball runner", -1.0),
        ("dog ball", 0.0),
        ("I Generate text", -1.0),
        ("two sentences", -1.0),
        ("generate a sentence with: x", -1.0),
        ("", 0.0),
    ],
)
def test_repeat_penalty(text: str, penalty: float) -> None:
    assert repeat_penalty(PROMPT, text) == penalty
    assert call(RewardFunctionRegistry.get("common_gen_repeat_penalty"), text, ["r"], prompt=PROMPT) == penalty


def test_a_prompt_without_concepts_is_repeated_by_no_text() -> None:
    assert repeat_penalty("generate a sentence with: .", "a dog") == 0.0


def test_a_prompt_without_the_prefix_is_an_error() -> None:
    with pytest.raises(DataError, match='does not hold "generate a sentence with: "'):
        repeat_penalty("summarize: dog", "a dog")
    reward = RewardFunctionRegistry.get("common_gen_repeat_penalty", {"prefix": "summarize: "})
    assert call(reward, "dog ball", ["r"], prompt="summarize: dog ball.") == -1.0


def test_batched_penalty_has_one_reward_a_text() -> None:
    reward = RewardFunctionRegistry.get("common_gen_repeat_penalty_batched")
    texts = ["a dog", "dog ball run", "dog ball run", "generate"]
    assert reward([PROMPT] * 4, texts, [["r"]] * 4, [True, True, False, True]) == [0.0, -1.0, 0.0, -1.0]


@pytest.mark.parametrize("shaping_fn", ["common_gen_repeat_penalty", "common_gen_repeat_penalty_batched"])
@pytest.mark.parametrize(
    ("reward_id", "args"), [("meteor", {}), ("rouge", {"rouge_type": "rouge1"}), ("rouge_combined", {})]
)
def test_shaping_is_added(shaping_fn: str, reward_id: str, args: dict[str, Any]) -> None:
    plain = RewardFunctionRegistry.get(reward_id, args)
    shaped = RewardFunctionRegistry.get(reward_id, {**args, "shaping_fn": shaping_fn})
    for text, penalty in (("a dog runs", 0.0), ("dog ball run", -1.0)):
        assert call(shaped, text, ["a dog runs"], prompt=PROMPT) == call(plain, text, ["a dog runs"]) + penalty


def test_any_reward_can_shape() -> None:
    shaped = RewardFunctionRegistry.get("meteor", {"shaping_fn": "parent"})
    info = {"raw_table": row()}
    text, references = "Ada Lovelace was born in 1815.", ["Ada was born in 1815."]
    parts = [call(RewardFunctionRegistry.get(name), text, references, info) for name in ("meteor", "parent")]
    assert call(shaped, text, references, info) == pytest.approx(sum(parts))
    with pytest.raises(ConfigError, match="Did you mean"):
        RewardFunctionRegistry.get("meteor", {"shaping_fn": "common_gen_repeat"})
