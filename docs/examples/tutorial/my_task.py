"""A task of your own: openings of reviews from a file, and a reward for short words. docs/tutorial.md"""

import json
import sys
from pathlib import Path
from typing import Any

from rl4lms.cli.train_text_generation import main
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool
from rl4lms.envs.text_generation.registry import DataPoolRegistry, RewardFunctionRegistry
from rl4lms.envs.text_generation.reward import BatchedRewardFunction


class Openings(TextGenPool):
    """One JSON object a line: {"split": "train", "text": "..."}."""

    @classmethod
    def prepare(cls, split: str, path: str) -> "Openings":
        rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
        texts = [row["text"] for row in rows if row["split"] == split]
        return cls([Sample(f"{split}_{i}", text, [""]) for i, text in enumerate(texts)])


class ShortWords(BatchedRewardFunction):
    """The share of a text's words that have at most `letters` letters."""

    def __init__(self, letters: int = 4) -> None:
        super().__init__()
        self.letters = letters

    def __call__(
        self,
        prompt_texts: list[str],
        gen_texts: list[str],
        ref_texts: list[list[str]],
        dones: list[bool],
        meta_infos: list[dict[str, Any]] | None = None,
    ) -> list[float]:
        words = [text.split() for text in gen_texts]
        return [sum(len(word) <= self.letters for word in each) / max(len(each), 1) for each in words]


if __name__ == "__main__":
    DataPoolRegistry.add("openings", Openings)
    RewardFunctionRegistry.add("short_words", ShortWords)
    sys.exit(main())
