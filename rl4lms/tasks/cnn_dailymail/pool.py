"""The pool `cnn_daily_mail`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

from rl4lms.config.kinds import DataDir, MaxSize, Prefix, Suffix
from rl4lms.config.reader import Count
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.row_pool import RowPool
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.tasks.cnn_dailymail import TASK


class CNNDailyMail(RowPool):
    """Prompt: prompt_prefix + article + prompt_suffix (RL4LMs' T5 configurations: prefix "Summarize: ").

    truncate_article: keep that many of nltk's word tokens, joined by spaces; max_size: the first so many articles.
    """

    dataset = TASK.data

    @classmethod
    def prepare(
        cls,
        split: str,
        prompt_suffix: Suffix = "",
        prompt_prefix: Prefix = "",
        truncate_article: Annotated[Count | None, "Words that an article is cut to; null keeps all."] = None,
        max_size: MaxSize = None,
        data_dir: DataDir = None,
    ) -> CNNDailyMail:
        for name, value in (("truncate_article", truncate_article), ("max_size", max_size)):
            if value is not None and value < 1:
                raise ConfigError(f"cnn_daily_mail: {name} {value}: expected a whole number of at least 1, or null.")

        def samples() -> Iterator[Sample]:
            rows = islice(open_source(data_dir).stream(cls.dataset, split), max_size)
            for ix, row in enumerate(rows):
                article = row["article"] if truncate_article is None else truncate(row["article"], truncate_article)
                yield Sample(f"{split}_{ix}", prompt_prefix + article + prompt_suffix, [row["highlights"]])

        return cls(stored(samples()))


def truncate(text: str, n_tokens: int) -> str:
    """The first n_tokens of nltk's `word_tokenize`, joined by spaces. Raises DataError without its punkt_tab data."""
    from nltk.tokenize import word_tokenize

    try:
        return " ".join(word_tokenize(text)[:n_tokens])
    except LookupError:
        raise DataError(
            "cnn_daily_mail: truncate_article needs nltk's sentence model: python -m nltk.downloader punkt_tab; "
            "or leave truncate_article out, the tokenizer's max_length truncates as well."
        ) from None
