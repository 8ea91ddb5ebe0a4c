"""Plain functions as rewards, and weighted sums of rewards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from rl4lms.core.errors import ConfigError
from rl4lms.core.registry import short_name
from rl4lms.core.tables import RewardFunctionRegistry
from rl4lms.metrics.base import MetaInfo
from rl4lms.metrics.functions import call_with_columns, scores_of
from rl4lms.rewards.base import BatchedEpisodeReward, RewardFunction, finite_reward, sample_in_words
from rl4lms.rewards.shaping import score_texts


class FunctionReward(BatchedEpisodeReward):
    """A plain function as a reward, called once with the N finished texts of a rollout.

    function: `f(prompts, completions, references, **columns) -> N finite numbers`, with every column as
    `call_with_columns` gives it. Another number of answers, None, NaN or text is refused when it comes.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        super().__init__()
        self.function, self.name = function, name  # type: ignore[misc]  # other rewards have one name a class

    def score_batch(
        self, prompts: list[str], texts: list[str], references: list[Sequence[str]], meta_infos: list[MetaInfo]
    ) -> list[Any]:
        what = f"reward {self.name}"
        return scores_of(
            call_with_columns(self.function, what, prompts, texts, references, meta_infos), len(texts), what
        )


class WeightedRewards(BatchedEpisodeReward):
    """The sum of weight * reward over several rewards; each is logged on its own, as rollout/reward_<name>.

    rewards: {id, args: {}, weight: 1.0, name: (its id)} for each. They are given texts, so a `RewardFunction` must be
    `sparse`: it pays when the episode ends. last: name -> rewards of the texts of the last call, before weighting.
    """

    name = "weighted"

    def __init__(
        self, rewards: Annotated[Sequence[Mapping[str, Any]], "Rewards to add, each {id, args, weight: 1.0, name}."]
    ) -> None:
        super().__init__()
        self.parts: dict[str, tuple[float, Any]] = {}
        self.last: dict[str, list[float]] = {}
        for part in rewards:
            name, reward = reward_key(part), RewardFunctionRegistry.get(part["id"], part.get("args"))
            if name in self.parts:
                raise ConfigError(f'reward weighted: two rewards are named "{name}"; give one another name.')
            if isinstance(reward, RewardFunction) and not reward.sparse:
                raise ConfigError(
                    f"reward weighted: {name} is a RewardFunction that may pay at every step; set sparse = True in its "
                    "class if it pays only at the end of an episode, or use it on its own."
                )
            self.parts[name] = (float(part.get("weight", 1.0)), reward)
        if not self.parts:
            raise ConfigError("reward weighted: no rewards; name at least one.")

    @property
    def needs_references(self) -> bool:
        """Whether one of the rewards rests on a corpus."""
        return any(getattr(reward, "needs_references", False) for _, reward in self.parts.values())

    def fit_references(self, references: Sequence[Sequence[str]]) -> None:
        """references: those of the training pool's samples."""
        for _, reward in self.parts.values():
            if getattr(reward, "needs_references", False):
                reward.fit_references(references)

    def score_batch(
        self, prompts: list[str], texts: list[str], references: list[Sequence[str]], meta_infos: list[MetaInfo]
    ) -> list[float]:
        total = [0.0] * len(texts)
        for name, (weight, reward) in self.parts.items():
            scores = scores_of(
                score_texts(reward, prompts, texts, references, meta_infos), len(texts), f"reward {name}"
            )
            places = [sample_in_words(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
            self.last[name] = [finite_reward(s, reward, place) for s, place in zip(scores, places, strict=True)]
            total = [sum_ + weight * score for sum_, score in zip(total, self.last[name], strict=True)]
        return total


def reward_key(part: Mapping[str, Any]) -> str:
    """The name under which a part of `WeightedRewards` is logged."""
    return str(part.get("name") or short_name(part["id"]))
