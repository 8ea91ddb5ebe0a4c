"""Translation: IWSLT 2017, and the shared tasks of WMT."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from rl4lms.config.kinds import DataDir, Prefix, Suffix
from rl4lms.data_pools.beyond_grue import WMT14_PROCESSED, WMT16_NEWS_ONLY, wmt
from rl4lms.data_pools.published import DATASETS, DataSet
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool


class TranslationPool(TextGenPool):
    """Prompt: prompt_prefix + the source sentence + prompt_suffix; reference: the target sentence."""

    @classmethod
    def read(cls, dataset: DataSet, split: str, prefix: str, suffix: str, data_dir: str | None) -> Self:
        """The pool of a data set whose `translation` column names first the source, then the target language."""
        source, target = dataset.shape["translation"]

        def samples() -> Iterator[Sample]:
            for ix, row in enumerate(open_source(data_dir).stream(dataset, split)):
                pair = row["translation"]
                yield Sample(f"{split}_{ix}", prefix + pair[source] + suffix, [pair[target]])

        return cls(stored(samples()))


class EnglishGermanPool(TranslationPool):
    """From English to German (RL4LMs' own prefix is "translate English to German: ")."""

    dataset: ClassVar[DataSet]

    @classmethod
    def prepare(
        cls, split: str, prompt_suffix: Suffix = "", prompt_prefix: Prefix = "", data_dir: DataDir = None
    ) -> Self:
        return cls.read(cls.dataset, split, prompt_prefix, prompt_suffix, data_dir)


class IWSLT2017EnDe(EnglishGermanPool):
    """Talks."""

    dataset = DATASETS["iwslt2017"]


class WMT14PreprocessedEnDe(EnglishGermanPool):
    """WMT 2014 as fairseq prepares it: tokenised and cleaned, 4.5 million pairs."""

    dataset = WMT14_PROCESSED


class WMT16NewsOnlyDatasetEnDe(EnglishGermanPool):
    """Trained on news commentary alone; validation and test are those of WMT 2016."""

    dataset = WMT16_NEWS_ONLY


class WMT(TranslationPool):
    """Any language pair of the shared task of a year, `wmt_id` "wmt14" to "wmt19"; languages by their codes."""

    @classmethod
    def prepare(
        cls,
        split: str,
        wmt_id: Annotated[str, "Data set on the hub: wmt16, ..."],
        source_language: Annotated[str, "Language that is translated."],
        target_language: Annotated[str, "Language that it is translated into."],
        prompt_suffix: Suffix = "",
        prompt_prefix: Prefix = "",
        data_dir: DataDir = None,
    ) -> WMT:
        dataset = wmt(wmt_id, source_language, target_language)
        return cls.read(dataset, split, prompt_prefix, prompt_suffix, data_dir)
