"""What a reward is: one number for a step or an episode, from texts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from rl4lms.core.errors import DataError, RunError
from rl4lms.core.guard import name_of
from rl4lms.metrics.base import MetaInfo


class ObservedText(Protocol):
    """The part of an `Observation` that the rewards of this package read."""

    @property
    def prompt_or_input_text(self) -> str: ...

    @property
    def context_text(self) -> str: ...

    @property
    def target_or_reference_texts(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class TextObservation:
    """An observation that holds texts only."""

    prompt_or_input_text: str
    context_text: str
    target_or_reference_texts: Sequence[str]


class RewardFunction(ABC):
    """Called for a step with the observations before and after the action.

    sparse: it is 0 while an episode goes on, so one call with done=True at its end gives the same rewards.
    in_parent: it must not be copied into worker processes (it holds a model, or state).
    """

    sparse: bool = False
    in_parent: bool = False

    def __init__(self, accelerator: Any = None) -> None:
        """accelerator: accepted because RL4LMs passes one; unused."""
        self._accelerator = accelerator

    @abstractmethod
    def __call__(
        self,
        prev_observation: Any,
        action: int,
        current_observation: Any,
        done: bool,
        meta_info: MetaInfo = None,
    ) -> float:
        """The reward of taking `action`; done: the episode ended with it; meta_info: that of the sample."""


class BatchedRewardFunction(ABC):
    """Called once with B texts. Always returns B rewards, 0 for a text that is not done."""

    def __init__(self, accelerator: Any = None) -> None:
        self._accelerator = accelerator

    @abstractmethod
    def __call__(
        self,
        prompt_texts: Sequence[str],
        gen_texts: Sequence[str],
        ref_texts: Sequence[Sequence[str]],
        dones: Sequence[bool],
        meta_infos: Sequence[MetaInfo] | None = None,
    ) -> Sequence[float]:
        """All sequences have length B."""


def finite_reward(value: Any, reward: object, sample: str) -> float:
    """`value` as a python float, or RunError naming the reward and the sample."""
    try:
        number = float(value)
    except Exception:  # it may be an object of the function's own
        raise RunError(
            f"reward {reward_name(reward)}: {type(value).__name__} for {sample}; expected a finite number."
        ) from None
    if not math.isfinite(number):
        raise RunError(f"reward {reward_name(reward)}: {number} for {sample}; expected a finite number.")
    return number


def reward_name(reward: object) -> str:
    return name_of(reward)


def describe(prompt: str, text: str) -> str:
    """The sample of an error message."""
    return f"the text {_shorten(text)!r} after the prompt {_shorten(prompt)!r}"


def _shorten(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


class EpisodeReward(RewardFunction):
    """A reward given once, when the episode ends; `score` is the hook."""

    sparse = True
    name: ClassVar[str]

    @abstractmethod
    def score(self, prompt: str, text: str, references: Sequence[str], meta_info: MetaInfo) -> float:
        """The reward of a finished text."""

    def __call__(
        self,
        prev_observation: Any,
        action: int,
        current_observation: ObservedText,
        done: bool,
        meta_info: MetaInfo = None,
    ) -> float:
        if not done:
            return 0.0
        prompt, text = current_observation.prompt_or_input_text, current_observation.context_text
        value = self.score(prompt, text, current_observation.target_or_reference_texts, meta_info)
        return finite_reward(value, self, describe(prompt, text))


class BatchedEpisodeReward(BatchedRewardFunction):
    """Rewards of the finished texts of a batch, scored together; `score_batch` is the hook."""

    name: ClassVar[str]

    @abstractmethod
    def score_batch(
        self,
        prompts: list[str],
        texts: list[str],
        references: list[Sequence[str]],
        meta_infos: list[MetaInfo],
    ) -> Sequence[float]:
        """One reward for each of K > 0 finished texts."""

    def __call__(
        self,
        prompt_texts: Sequence[str],
        gen_texts: Sequence[str],
        ref_texts: Sequence[Sequence[str]],
        dones: Sequence[bool],
        meta_infos: Sequence[MetaInfo] | None = None,
    ) -> list[float]:
        infos = list(meta_infos) if meta_infos is not None else [None] * len(gen_texts)
        sizes = {len(prompt_texts), len(gen_texts), len(ref_texts), len(dones), len(infos)}
        if len(sizes) != 1:
            raise DataError(
                f"reward {reward_name(self)}: columns of unequal length {sorted(sizes)}; expected one size."
            )
        rewards = [0.0] * len(gen_texts)
        done = [i for i, is_done in enumerate(dones) if is_done]
        if not done:
            return rewards
        prompts, texts = [prompt_texts[i] for i in done], [gen_texts[i] for i in done]
        scores = self.score_batch(prompts, texts, [ref_texts[i] for i in done], [infos[i] for i in done])
        for i, value in zip(done, scores, strict=True):
            rewards[i] = finite_reward(value, self, describe(prompt_texts[i], gen_texts[i]))
        return rewards
