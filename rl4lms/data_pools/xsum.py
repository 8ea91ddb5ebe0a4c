"""XSum: a news article in one sentence."""

from __future__ import annotations

from rl4lms.config.kinds import DataDir, Prefix, Suffix
from rl4lms.data_pools.dataset import DataSet, converted
from rl4lms.data_pools.row_pool import RowPool


class Xsum(RowPool):
    """Prompt: prompt_prefix + document + prompt_suffix (RL4LMs' suffix); reference: the sentence."""

    dataset = DataSet(
        name="xsum",
        folders=("xsum",),
        shape={"document": str, "target": str},
        key=lambda row: str(row["document"]),
        hub=converted("GEM/gem", "xsum"),
    )

    @classmethod
    def prepare(
        cls, split: str, prompt_suffix: Suffix = "TL;DR:", prompt_prefix: Prefix = "", data_dir: DataDir = None
    ) -> Xsum:
        return cls.of_rows(
            split, data_dir, lambda row: (prompt_prefix + row["document"] + prompt_suffix, [row["target"]])
        )
