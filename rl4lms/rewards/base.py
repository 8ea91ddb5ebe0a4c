"""The base classes of rewards, which give one number for a step or for a finished text."""

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
    """The attributes of an `Observation` that the rewards of this package read."""

    @property
    def prompt_or_input_text(self) -> str: ...

    @property
    def context_text(self) -> str: ...

    @property
    def target_or_reference_texts(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class TextObservation:
    """An observation that has only texts."""

    prompt_or_input_text: str
    context_text: str
    target_or_reference_texts: Sequence[str]


class RewardFunction(ABC):
    """A reward that is called for every step, with the observations before and after the action.

    sparse: the reward is 0 until the episode ends, so that one call with done=True is enough.
    in_parent: the reward must not be copied into worker processes, because it has a model or a state.
    """

    sparse: bool = False
    in_parent: bool = False

    def __init__(self, accelerator: Any = None) -> None:
        """accelerator: unused; classes that were written for RL4LMs pass one."""
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
        """The reward for `action`. done: the episode ended with it; meta_info: that of the sample."""


class BatchedRewardFunction(ABC):
    """A reward that is called once for B texts. It returns B rewards, which are 0 for unfinished texts."""

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
        """The B rewards. All arguments have length B."""


def finite_reward(value: Any, reward: object, sample: str) -> float:
    """`value` as a Python float. Raises RunError, with the names of reward and sample, if it is not a finite number."""
    try:
        number = float(value)
    except Exception:  # `value` may be an object of any class
        raise RunError(
            f"reward {name_of(reward)}: {type(value).__name__} for {sample}; expected a finite number."
        ) from None
    if not math.isfinite(number):
        raise RunError(f"reward {name_of(reward)}: {number} for {sample}; expected a finite number.")
    return number


def sample_in_words(prompt: str, text: str) -> str:
    """A sample as it is named in an error message."""
    return f"the text {_shorten(text)!r} after the prompt {_shorten(prompt)!r}"


def _shorten(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


class EpisodeReward(RewardFunction):
    """A reward that is given once, when the episode ends. Subclasses implement `score`."""

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
        return finite_reward(value, self, sample_in_words(prompt, text))


class BatchedEpisodeReward(BatchedRewardFunction):
    """A reward that scores the finished texts of a batch together. Subclasses implement `score_batch`."""

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
            raise DataError(f"reward {name_of(self)}: columns of unequal length {sorted(sizes)}; expected one size.")
        rewards = [0.0] * len(gen_texts)
        done = [i for i, is_done in enumerate(dones) if is_done]
        if not done:
            return rewards
        prompts, texts = [prompt_texts[i] for i in done], [gen_texts[i] for i in done]
        scores = self.score_batch(prompts, texts, [ref_texts[i] for i in done], [infos[i] for i in done])
        for i, value in zip(done, scores, strict=True):
            rewards[i] = finite_reward(value, self, sample_in_words(prompt_texts[i], gen_texts[i]))
        return rewards
