"""The metrics of the synthetic tasks: increasing numbers, and texts with a date."""

from __future__ import annotations

import math
import re

from rl4lms.config.kinds import MinTokens
from rl4lms.metrics.base import MetricResult, TextMetric, mean

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None  # "nan" and "infinity" count as words


def increasing_numbers(text: str, min_tokens: int) -> float:
    """The length of the increasing run at the start of the numbers of `text`, over max(words, min_tokens / 2).

    It is in [0, 1], and 0 without a number. Words are split at white space; those that are no numbers only count in the
    denominator.
    """
    words = text.split()
    numbers = [n for n in map(_number, words) if n is not None]
    if not numbers:
        return 0.0
    run = 1
    while run < len(numbers) and numbers[run] > numbers[run - 1]:
        run += 1
    return run / max(len(words), min_tokens / 2)


def date_in_text(text: str) -> float:
    """1 if the text has a date like 2022-10-03, else 0. Only the pattern of digits is checked, not the calendar."""
    return float(_DATE.search(text) is not None)


class IncreasingNumbersInText(TextMetric):
    """`synthetic/increasing_numbers_in_text`."""

    name = "increasing_numbers"
    key = "synthetic/increasing_numbers_in_text"

    def __init__(self, min_tokens: MinTokens) -> None:
        self._min_tokens = min_tokens

    def score(self, texts: list[str]) -> MetricResult:
        scores = [increasing_numbers(text, self._min_tokens) for text in texts]
        return {self.key: (scores, mean(scores))}


class DateInText(TextMetric):
    """`synthetic/dates_in_text`."""

    name = "dates"
    key = "synthetic/dates_in_text"

    def score(self, texts: list[str]) -> MetricResult:
        scores = [date_in_text(text) for text in texts]
        return {self.key: (scores, mean(scores))}
