"""The published import path `rl4lms.envs.text_generation.observation.Observation`."""

from rl4lms.tokenization.observation import Observation

__all__ = ["Observation"]
