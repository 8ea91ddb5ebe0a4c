"""XSum: a news article in one sentence."""

from __future__ import annotations

from collections.abc import Iterator

from rl4lms.config.kinds import DataDir, Prefix, Suffix
from rl4lms.data_pools.beyond_grue import XSUM
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool


class Xsum(TextGenPool):
    """Prompt: prompt_prefix + document + prompt_suffix (RL4LMs' suffix); reference: the sentence."""

    @classmethod
    def prepare(
        cls, split: str, prompt_suffix: Suffix = "TL;DR:", prompt_prefix: Prefix = "", data_dir: DataDir = None
    ) -> Xsum:
        def samples() -> Iterator[Sample]:
            for ix, row in enumerate(open_source(data_dir).stream(XSUM, split)):
                yield Sample(f"{split}_{ix}", prompt_prefix + row["document"] + prompt_suffix, [row["target"]])

        return cls(stored(samples()))
