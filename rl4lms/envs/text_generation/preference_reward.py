"""The published import path of RL4LMs' preference reward."""

from rl4lms.rewards.preference import CommonGenPrefRM

__all__ = ["CommonGenPrefRM"]
