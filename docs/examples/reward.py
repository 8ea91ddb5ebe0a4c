"""Your own reward: a class and a line. `python docs/examples/reward.py --config_path docs/examples/reward.yml`"""

import sys
from typing import Any

from rl4lms.cli.train_text_generation import main
from rl4lms.envs.text_generation.observation import Observation
from rl4lms.envs.text_generation.registry import RewardFunctionRegistry
from rl4lms.envs.text_generation.reward import RewardFunction


class Brevity(RewardFunction):
    """Asked at every step; here the score comes with the last one."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.words = words

    def __call__(
        self,
        prev_observation: Observation,
        action: int,
        current_observation: Observation,
        done: bool,
        meta_info: dict[str, Any] | None = None,
    ) -> float:
        excess = len(current_observation.context_text.split()) - self.words
        return 1 / (1 + max(excess, 0)) if done else 0.0


if __name__ == "__main__":
    RewardFunctionRegistry.add("brevity", Brevity)
    sys.exit(main())
