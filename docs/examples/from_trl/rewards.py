"""The rewards of grpo_before.py as rl4lms takes them: a completion is a text."""

from typing import Any


def correct(completions: list[str], answer: list[str], **columns: Any) -> list[float]:
    """1 where the text names the answer."""
    return [float(right in text.split()) for text, right in zip(completions, answer, strict=True)]


def brief(completions: list[str], **columns: Any) -> list[float]:
    """1 for one word, 1/2 for two, and so on."""
    return [1 / max(len(text.split()), 1) for text in completions]
