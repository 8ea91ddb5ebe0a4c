"""The published import path `rl4lms.envs.text_generation.post_processors`."""

from rl4lms.tokenization.post_processors import three_sentence_summary

__all__ = ["three_sentence_summary"]
