"""Rewards that are one model's score: equal to the metric, batched, one for each text, never copied."""

from typing import Any

import pytest

from rl4lms.core.tables import MetricRegistry, RewardFunctionRegistry
from rl4lms.rewards.base import BatchedRewardFunction
from rl4lms.rewards.parallel import ParallelReward, is_copyable

PROMPTS = ["w5 ", "w6 ", "w7 ", "w8 "]
TEXTS = ["w20 w21", "", "w22 w23 w24", "w25"]
REFERENCES = [["w20 w30", "w21"], ["w21 w22"], ["w40"], ["w25"]]
KEYS = {"bert_score": "semantic/bert_score", "bleurt": "semantic/bleurt"}


@pytest.fixture
def arguments(request: pytest.FixtureRequest) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    pytest.importorskip("bert_score", reason="the extra bert is not installed")
    encoder, bleurt = request.getfixturevalue("encoder_dir"), request.getfixturevalue("bert_regression_dir")
    encoder_args = {"model_name": encoder, "num_layers": 1, "device": "cpu"}
    return {
        "bert_score": (encoder_args, encoder_args),
        "bleurt": ({"checkpoint": bleurt, "device": "cpu"}, {"config_name": bleurt, "device": "cpu"}),
    }


@pytest.mark.parametrize("name", KEYS)
def test_reward_is_the_metrics_score(arguments: Any, name: str) -> None:
    reward_args, metric_args = arguments[name]
    reward = RewardFunctionRegistry.get(name, reward_args)
    assert isinstance(reward, BatchedRewardFunction)
    expected, _ = MetricRegistry.get(name, metric_args).compute(None, TEXTS, REFERENCES)[KEYS[name]]
    assert expected is not None and len(set(expected)) == 4
    rewards = reward(PROMPTS, TEXTS, REFERENCES, [True, True, False, True])
    assert rewards == pytest.approx([expected[0], expected[1], 0.0, expected[3]], abs=1e-6)
    assert all(type(r) is float for r in rewards)
    same = RewardFunctionRegistry.get("metric_reward", {"metric": name, "args": metric_args})
    assert same(PROMPTS, TEXTS, REFERENCES, [True] * 4) == pytest.approx(expected, abs=1e-6)
    assert reward(PROMPTS, TEXTS, REFERENCES, [False] * 4) == [0.0] * 4


def test_one_model_for_reward_and_metric_and_none_in_workers(arguments: Any) -> None:
    for name, (reward_args, metric_args) in arguments.items():
        reward, metric = RewardFunctionRegistry.get(name, reward_args), MetricRegistry.get(name, metric_args)
        model = "_encoder" if name == "bert_score" else "_model"
        assert getattr(reward.metric, model) is getattr(metric, model)
        assert not is_copyable(reward)
        with ParallelReward(reward, 2) as parallel:
            assert parallel._workers == []
