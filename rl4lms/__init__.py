"""Reinforcement learning for language generation: the library under the GRUE benchmark pipeline."""

__version__ = "0.1.0"
