"""IMDB movie reviews: continue a review whose first half is the prompt.

As RL4LMs: 20 % of the published train split are val, and of a longer test split 5,000 reviews are taken. RL4LMs
shuffles with an unseeded generator at every call, so that its train and val overlap; here a hash of the review decides,
and copies of a review stay in one split.
"""

from __future__ import annotations

from rl4lms.core.errors import ConfigError
from rl4lms.data_pools.published import DATASETS, Row
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.splitting import first_n
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool

MAX_TEST_SAMPLES = 5000  # RL4LMs takes 5,000 of the published 25,000
POSITIVE = 1


class IMDB(TextGenPool):
    """Prompt: the first half of the review's space-separated words; reference: the whole review."""

    @classmethod
    def prepare(cls, split: str, data_dir: str | None = None) -> IMDB:
        samples = []
        for ix, row in enumerate(_reviews(split, data_dir)):
            prompt, _ = halves(row["text"])
            samples.append(Sample(f"{split}_{ix}", prompt, [row["text"]]))
        return cls(samples)


class IMDBForSeq2Seq(TextGenPool):
    """Prompt: the first half; reference: the second; train: positive reviews alone. The warm start learns from it.

    positive_ratio: the share of the positive train reviews that is kept, from the start. meta_data["reference"]: the
    whole review.
    """

    @classmethod
    def prepare(cls, split: str, positive_ratio: float = 1.0, data_dir: str | None = None) -> IMDBForSeq2Seq:
        if not 0 < positive_ratio <= 1:
            raise ConfigError(f"imdb_seq2seq: positive_ratio {positive_ratio}: expected a number in (0, 1].")
        samples = []
        for ix, row in enumerate(_reviews(split, data_dir)):
            if split != "train" or row["label"] == POSITIVE:
                prompt, rest = halves(row["text"])
                samples.append(Sample(f"{split}_{ix}", prompt, [rest], {"reference": row["text"]}))
        return cls(samples[: int(len(samples) * positive_ratio)] if split == "train" else samples)


def halves(text: str) -> tuple[str, str]:
    """The first half of the space-separated words, rounded down, and the rest."""
    words = text.split(" ")
    middle = int(len(words) * 0.5)
    return " ".join(words[:middle]), " ".join(words[middle:])


def _reviews(split: str, data_dir: str | None) -> list[Row]:
    rows = open_source(data_dir).rows(DATASETS["imdb"], split)
    return first_n(rows, MAX_TEST_SAMPLES, "imdb test") if split == "test" else rows
