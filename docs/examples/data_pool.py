"""Your own data: samples of a prompt and its references, by split ("train", "val", "test")."""

import sys
from typing import Any

from rl4lms.cli.train_text_generation import main
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool
from rl4lms.envs.text_generation.registry import DataPoolRegistry


class Greetings(TextGenPool):
    @classmethod
    def prepare(cls, split: str, n: int = 20, **_: Any) -> "Greetings":
        names = [f"friend number {i}" for i in range(n)]
        return cls(
            [Sample(f"{split}_{i}", f"Say hello to {name}.", [f"Hello, {name}!"]) for i, name in enumerate(names)]
        )


if __name__ == "__main__":
    DataPoolRegistry.add("greetings", Greetings)
    sys.exit(main())
