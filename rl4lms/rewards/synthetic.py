"""The rewards of the synthetic tasks."""

from __future__ import annotations

from collections.abc import Sequence

from rl4lms.config.kinds import MinTokens
from rl4lms.metrics.base import MetaInfo
from rl4lms.metrics.synthetic import date_in_text, increasing_numbers
from rl4lms.rewards.base import EpisodeReward


class IncreasingNumbersReward(EpisodeReward):
    """The share of the text that is a run of increasing numbers, in [0, 1]."""

    name = "increasing_numbers"

    def __init__(self, min_tokens: MinTokens) -> None:
        super().__init__()
        self._min_tokens = min_tokens

    def score(self, prompt: str, text: str, references: Sequence[str], meta_info: MetaInfo) -> float:
        return increasing_numbers(text, self._min_tokens)


class SentencesWithDatesReward(EpisodeReward):
    """1 if the text has a date like 2022-10-03, else 0."""

    name = "sentences_with_dates"

    def score(self, prompt: str, text: str, references: Sequence[str], meta_info: MetaInfo) -> float:
        return date_in_text(text)
