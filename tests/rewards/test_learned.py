import pytest

from rl4lms.core.tables import MetricRegistry, RewardFunctionRegistry
from rl4lms.rewards.base import BatchedRewardFunction

PROMPTS = ["w5 w6 <EOU>", "w7 <EOU>", "w8 w9 w10 <EOU>", "w11 <EOU>"]
TEXTS = ["w20", "w21 w22 w23", "", "w24 w25"]
REFERENCES = [["w20 w30"], ["w21 w22"], ["w40"], ["w24 w25"]]
INFOS = [{"intent": [1]}, {"intent": [2]}, {"intent": [3]}, {"intent": [4]}]


@pytest.mark.parametrize("include_prompt", [True, False])
def test_learned_reward_is_the_metrics_score(classifier_dir: str, include_prompt: bool) -> None:
    args = {"model_name": classifier_dir, "label_ix": 2, "include_prompt_for_eval": include_prompt}
    reward = RewardFunctionRegistry.get("learned_reward", args)
    assert isinstance(reward, BatchedRewardFunction)
    rewards = reward(PROMPTS, TEXTS, REFERENCES, [True, True, False, True])
    result = MetricRegistry.get("learned_reward", args).compute(PROMPTS, TEXTS, REFERENCES)
    ((expected, _),) = result.values()
    assert rewards[2] == 0.0
    assert [rewards[i] for i in (0, 1, 3)] == pytest.approx([expected[i] for i in (0, 1, 3)], abs=1e-6)
    assert all(type(r) is float for r in rewards)


def test_intent_accuracy_adds_each_texts_own_meteor(intent_dir: str) -> None:
    matches, _ = MetricRegistry.get("intent_accuracy", {"model_name": intent_dir}).compute(PROMPTS, TEXTS, None, INFOS)[
        "intent/accuracy"
    ]
    meteors, _ = MetricRegistry.get("meteor").compute(None, TEXTS, REFERENCES)["lexical/meteor"]
    args = {"model_name": intent_dir, "intent_coeff": 0.25, "auto_coeff": 0.75}
    reward = RewardFunctionRegistry.get("intent_accuracy", args)
    rewards = reward(PROMPTS, TEXTS, REFERENCES, [True] * 4, INFOS)
    assert rewards == pytest.approx([0.25 * a + 0.75 * m for a, m in zip(matches, meteors, strict=True)])
    assert len(set(meteors)) > 2
    reverse = reward(PROMPTS[::-1], TEXTS[::-1], REFERENCES[::-1], [True] * 4, INFOS[::-1])
    assert reverse[::-1] == pytest.approx(rewards)
    plain = RewardFunctionRegistry.get("intent_accuracy", {"model_name": intent_dir, "shape": False})
    assert plain(PROMPTS, TEXTS, REFERENCES, [True] * 4, INFOS) == matches
