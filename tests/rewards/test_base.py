import math
from collections.abc import Sequence
from typing import Any

import pytest

from rl4lms.core.errors import DataError, RunError
from rl4lms.rewards.base import BatchedEpisodeReward, EpisodeReward, RewardFunction, TextObservation


class Length(EpisodeReward):
    name = "length"

    def score(self, prompt: str, text: str, references: Sequence[str], meta_info: Any) -> float:
        return math.log(len(text)) if text else math.nan


class BatchedLength(BatchedEpisodeReward):
    name = "batched_length"

    def score_batch(self, prompts: list[str], texts: list[str], references: list[Any], meta_infos: list[Any]) -> Any:
        assert len(prompts) == len(texts) == len(references) == len(meta_infos) > 0
        return [float(len(t)) if t else math.inf for t in texts]


def observation(text: str, prompt: str = "p", references: Sequence[str] = ("r",)) -> TextObservation:
    return TextObservation(prompt, text, references)


def test_episode_reward_speaks_at_the_end_only() -> None:
    reward = Length()
    assert reward.sparse
    assert not reward.in_parent
    assert reward(observation(""), 0, observation("abc"), False) == 0.0
    assert reward(observation(""), 0, observation("abc"), True) == math.log(3)


def test_a_reward_that_is_not_finite_names_reward_and_sample() -> None:
    with pytest.raises(RunError, match="reward length: nan for the text '' after the prompt 'p'"):
        Length()(observation(""), 0, observation(""), True)
    with pytest.raises(RunError, match="reward batched_length: inf for the text '' after the prompt 'second'"):
        BatchedLength()(["first", "second"], ["a", ""], [["r"], ["r"]], [True, True])


def test_batched_reward_gives_one_number_a_text() -> None:
    rewards = BatchedLength()(["p"] * 4, ["a", "bb", "ccc", ""], [["r"]] * 4, [True, False, True, False])
    assert rewards == [1.0, 0.0, 3.0, 0.0]
    assert BatchedLength()(["p"], ["a"], [["r"]], [False]) == [0.0]
    assert BatchedLength()([], [], [], []) == []
    with pytest.raises(DataError, match=r"unequal length \[1, 2\]"):
        BatchedLength()(["p", "p"], ["a"], [["r"]], [True])


def test_a_users_class_needs_no_constructor() -> None:
    class Mine(RewardFunction):
        def __call__(self, before: Any, action: int, after: Any, done: bool, meta_info: Any = None) -> float:
            return float(action)

    assert Mine()(None, 3, None, False) == 3.0
    assert not Mine.sparse
    assert Mine(accelerator=None)._accelerator is None
