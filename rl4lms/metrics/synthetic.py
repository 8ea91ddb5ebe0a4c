"""Scores of the synthetic tasks: numbers that increase, texts with a date."""

from __future__ import annotations

import math
import re

from rl4lms.metrics.base import MetricResult, TextMetric, mean

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None  # "nan" and "infinity" are words


def increasing_numbers(text: str, min_tokens: int) -> float:
    """Length of the increasing run that the numbers of `text` start with, over max(words, min_tokens / 2).

    Words are split at white space; words that are no numbers count in the length only. In [0, 1]; 0 without a number.
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
    """1 if the text has a date like 2022-10-03 (digits only, no calendar is consulted), else 0."""
    return float(_DATE.search(text) is not None)


class IncreasingNumbersInText(TextMetric):
    """`synthetic/increasing_numbers_in_text`."""

    name = "increasing_numbers"
    key = "synthetic/increasing_numbers_in_text"

    def __init__(self, min_tokens: int) -> None:
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
