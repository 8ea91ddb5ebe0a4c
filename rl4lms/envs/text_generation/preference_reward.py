"""Published face: RL4LMs' preference reward at its published path."""

from rl4lms.rewards.preference import CommonGenPrefRM

__all__ = ["CommonGenPrefRM"]
