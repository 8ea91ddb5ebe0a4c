"""One prompt, many times: for rewards that look at the generation alone (increasing numbers, dates)."""

from __future__ import annotations

from typing import Annotated

from rl4lms.config.kinds import DataDir
from rl4lms.config.reader import Count
from rl4lms.core.errors import ConfigError
from rl4lms.data_pools.dataset import check_split
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool


class DummyPool(TextGenPool):
    """`n_samples` samples of the same `prompt`, without references, whatever the split; `data_dir` is not read."""

    @classmethod
    def prepare(
        cls,
        split: str,
        prompt: Annotated[str, "The prompt of every sample."],
        n_samples: Annotated[Count, "Samples of a split."] = 100,
        data_dir: DataDir = None,
    ) -> DummyPool:
        check_split(split)
        if n_samples < 1:
            raise ConfigError(f"dummy_pool: n_samples {n_samples}: expected a whole number of at least 1.")
        return cls([Sample(f"{split}_{ix}", prompt, []) for ix in range(n_samples)])
