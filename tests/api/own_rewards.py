"""Rewards of a user's module, as a function and as a class."""

from __future__ import annotations

from typing import Any

from rl4lms.rewards.base import RewardFunction


def even(prompts: list[str], completions: list[str], **columns: Any) -> list[float]:
    return [float(len(text.split()) % 2 == 0) for text in completions]


class Even(RewardFunction):
    sparse = True

    def __call__(self, prev: Any, action: int, current: Any, done: bool, meta_info: Any = None) -> float:
        return float(len(current.context_text.split()) % 2 == 0) if done else 0.0
