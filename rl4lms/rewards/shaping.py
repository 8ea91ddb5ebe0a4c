"""Shaping: a reward that another reward adds to its own, by its id (`shaping_fn`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rl4lms.config.kinds import ConceptPrefix
from rl4lms.core.errors import DataError
from rl4lms.core.tables import RewardFunctionRegistry
from rl4lms.metrics.base import MetaInfo
from rl4lms.rewards.base import BatchedEpisodeReward, BatchedRewardFunction, EpisodeReward, TextObservation

COMMON_GEN_PREFIX = "generate a sentence with: "


class Shaping:
    """The rewards of finished texts by the reward function with an id, which may be batched; 0 if the id is None."""

    def __init__(self, shaping_fn: str | None) -> None:
        self._function: Any = None if shaping_fn is None else RewardFunctionRegistry.get(shaping_fn, {})

    def one(self, prompt: str, text: str, references: Sequence[str], meta_info: MetaInfo) -> float:
        return self.many([prompt], [text], [references], [meta_info])[0]

    def many(
        self,
        prompts: Sequence[str],
        texts: Sequence[str],
        references: Sequence[Sequence[str]],
        meta_infos: Sequence[MetaInfo],
    ) -> list[float]:
        if self._function is None:
            return [0.0] * len(texts)
        return [float(r) for r in score_texts(self._function, prompts, texts, references, meta_infos)]


def score_texts(
    reward: Any,
    prompts: Sequence[str],
    texts: Sequence[str],
    references: Sequence[Sequence[str]],
    meta_infos: Sequence[MetaInfo],
) -> Sequence[float]:
    """The answers of a reward function of either kind to N finished texts, outside of an episode."""
    if isinstance(reward, BatchedRewardFunction):
        return reward(prompts, texts, references, [True] * len(texts), meta_infos)
    rows = zip(prompts, texts, references, meta_infos, strict=True)
    return [
        reward(TextObservation(p, "", refs), 0, TextObservation(p, text, refs), True, info)
        for p, text, refs, info in rows
    ]


def repeat_penalty(prompt: str, text: str, prefix: str = COMMON_GEN_PREFIX) -> float:
    """-1 if a CommonGen text repeats its prompt instead of answering it, else 0.

    It repeats the prompt if it contains, regardless of case, the prompt's list of concepts, the prefix, or one of the
    words "generate" and "sentence". The last character of a prompt is the concept end token. Raises DataError for a
    prompt without the prefix.
    """
    _, found, concepts = prompt.partition(prefix)
    if not found:
        raise DataError(
            f'reward common_gen_repeat_penalty: the prompt {prompt[:60]!r} does not hold "{prefix}"; set the data '
            "pool's prefix to it, or give this function the prefix in use."
        )
    lower, listed = text.lower(), concepts[:-1].lower()
    repeats = bool(listed.strip()) and listed in lower
    return -1.0 if repeats or prefix in lower or "generate" in lower or "sentence" in lower else 0.0


class CommonGenPenaltyShapingFunction(EpisodeReward):
    """`repeat_penalty` at the end of an episode."""

    name = "common_gen_repeat_penalty"

    def __init__(self, prefix: ConceptPrefix = COMMON_GEN_PREFIX) -> None:
        super().__init__()
        self._prefix = prefix

    def score(self, prompt: str, text: str, references: Sequence[str], meta_info: MetaInfo) -> float:
        return repeat_penalty(prompt, text, self._prefix)


class BatchedCommonGenPenaltyShapingFunction(BatchedEpisodeReward):
    """`repeat_penalty` of each finished text, and 0 for the others, for which RL4LMs returned nothing."""

    name = "common_gen_repeat_penalty_batched"

    def __init__(self, prefix: ConceptPrefix = COMMON_GEN_PREFIX) -> None:
        super().__init__()
        self._prefix = prefix

    def score_batch(
        self,
        prompts: list[str],
        texts: list[str],
        references: list[Sequence[str]],
        meta_infos: list[MetaInfo],
    ) -> list[float]:
        return [repeat_penalty(prompt, text, self._prefix) for prompt, text in zip(prompts, texts, strict=True)]
