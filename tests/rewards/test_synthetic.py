from rl4lms.core.tables import RewardFunctionRegistry
from tests.rewards.test_overlap import call


def test_increasing_numbers() -> None:
    reward = RewardFunctionRegistry.get("increasing_numbers", {"min_tokens": 20})
    assert call(reward, "1 2 3 x", []) == 0.3
    assert call(reward, "", []) == 0.0


def test_dates() -> None:
    reward = RewardFunctionRegistry.get("sentences_with_dates")
    assert call(reward, "on 2022-10-03 it rained", []) == 1.0
    assert call(reward, "on Monday", []) == 0.0
