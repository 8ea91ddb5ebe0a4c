"""The pools `imdb` and `imdb_seq2seq`: reviews whose first half is the prompt.

As RL4LMs: 20 % of the published train split are val, and of a longer test split 5,000 reviews are taken. A `seed`
shuffles the reviews first, as there. Without one RL4LMs shuffles anew for every split, so that its train and val
overlap; here the rows keep the order of their file. With and without, a hash of the review (and the seed) decides, and
copies of a review stay in one split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

from rl4lms.config.kinds import DataDir, MaxSize, ShuffleSeed
from rl4lms.config.reader import Fraction
from rl4lms.core.errors import ConfigError
from rl4lms.data_pools.dataset import Row
from rl4lms.data_pools.row_pool import RowPool
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.splitting import first_n, shuffled
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.tasks.imdb import TASK

MAX_TEST_SAMPLES = 5000  # RL4LMs takes 5,000 of the published 25,000
POSITIVE = 1


class IMDB(RowPool):
    """Prompt: the first half of the review's space-separated words; reference: the whole review.

    max_size: so many reviews of a split, always the same. seed: of the shuffle; None keeps the order of the rows.
    """

    dataset = TASK.data

    @classmethod
    def prepare(cls, split: str, max_size: MaxSize = None, data_dir: DataDir = None, seed: ShuffleSeed = None) -> IMDB:
        if max_size is not None and max_size < 1:
            raise ConfigError(f"imdb: max_size {max_size}: expected a whole number of at least 1, or null.")

        def samples() -> Iterator[Sample]:
            for ix, row in enumerate(first_n(_reviews(split, data_dir, seed), max_size, _salt(split, seed))):
                prompt, _ = halves(row["text"])
                yield Sample(f"{split}_{ix}", prompt, [row["text"]])

        return cls(stored(samples()))


class IMDBForSeq2Seq(RowPool):
    """Prompt: the first half; reference: the second; train: only positive reviews. The warm start learns from it.

    positive_ratio: the share of the positive train reviews that is kept, from the start. meta_data["reference"]: the
    whole review. seed: that of `imdb`, where RL goes on from here: its held-out reviews are then unseen.
    """

    dataset = TASK.data

    @classmethod
    def prepare(
        cls,
        split: str,
        positive_ratio: Annotated[Fraction, "Share of the positive reviews that are kept."] = 1.0,
        data_dir: DataDir = None,
        seed: ShuffleSeed = None,
    ) -> IMDBForSeq2Seq:
        if not 0 < positive_ratio <= 1:
            raise ConfigError(f"imdb_seq2seq: positive_ratio {positive_ratio}: expected a number in (0, 1].")

        def samples() -> Iterator[Sample]:
            for ix, row in enumerate(_reviews(split, data_dir, seed)):
                if split != "train" or row["label"] == POSITIVE:
                    prompt, rest = halves(row["text"])
                    yield Sample(f"{split}_{ix}", prompt, [rest], {"reference": row["text"]})

        reviews = stored(samples())
        return cls(reviews[: int(len(reviews) * positive_ratio)] if split == "train" else reviews)


def halves(text: str) -> tuple[str, str]:
    """The first half of the space-separated words, rounded down, and the rest."""
    words = text.split(" ")
    middle = int(len(words) * 0.5)
    return " ".join(words[:middle]), " ".join(words[middle:])


def _reviews(split: str, data_dir: str | None, seed: int | None) -> list[Row]:
    rows = open_source(data_dir).rows(replace(TASK.data, carve_seed=seed), split)
    if seed is not None:
        rows = shuffled(rows, _salt(split, seed))
    return first_n(rows, MAX_TEST_SAMPLES, _salt(split, seed)) if split == "test" else rows


def _salt(split: str, seed: int | None) -> str:
    return f"imdb {split}" if seed is None else f"imdb {split} {seed}"
