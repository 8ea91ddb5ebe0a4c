"""Translation from English to German."""

from __future__ import annotations

from rl4lms.data_pools.published import DATASETS
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool


class IWSLT2017EnDe(TextGenPool):
    """Prompt: prompt_prefix + English + prompt_suffix (RL4LMs' own prefix is "translate English to German: ")."""

    @classmethod
    def prepare(
        cls, split: str, prompt_suffix: str = "", prompt_prefix: str = "", data_dir: str | None = None
    ) -> IWSLT2017EnDe:
        samples = []
        for ix, row in enumerate(open_source(data_dir).rows(DATASETS["iwslt2017"], split)):
            pair = row["translation"]
            samples.append(Sample(f"{split}_{ix}", prompt_prefix + pair["en"] + prompt_suffix, [pair["de"]]))
        return cls(samples)
