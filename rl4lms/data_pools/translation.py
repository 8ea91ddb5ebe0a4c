"""Translation: pools of sentence pairs, and the shared tasks of WMT."""

from __future__ import annotations

from typing import Annotated, Self

from rl4lms.config.kinds import DataDir, Prefix, Suffix
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.data_pools.dataset import DataSet, Hub, Row
from rl4lms.data_pools.row_pool import RowPool, Texts

WMT_SPLITS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("wmt14", "wmt15", "wmt16", "wmt17", "wmt18"), ("train", "val", "test")),
    "wmt19": ("train", "val"),
}


def wmt(wmt_id: str, source: str, target: str) -> DataSet:
    """A language pair of a year's shared task, whichever way round it is translated.

    Raises ConfigError for an unknown year, and for one language twice.
    """
    if wmt_id not in WMT_SPLITS:
        raise ConfigError(unknown("wmt_id", wmt_id, WMT_SPLITS, "wmt16"))
    if source == target:
        raise ConfigError(f"wmt16: source_language and target_language are both {source}; expected two languages.")
    # The hub puts English last, and of the one pair without it (wmt19) French first.
    pair = "-".join(sorted((source, target), key=lambda language: (language == "en", language != "fr")))
    return _pairs(
        wmt_id, (wmt_id, f"{wmt_id}_{pair}"), source, target, Hub(f"wmt/{wmt_id}", pair, splits=WMT_SPLITS[wmt_id])
    )


def _pairs(name: str, folders: tuple[str, ...], source: str, target: str, hub: Hub) -> DataSet:
    return DataSet(
        name=name,
        folders=folders,
        shape={"translation": {source: str, target: str}},
        key=lambda row: str(row["translation"][source]),
        hub=hub,
    )


class TranslationPool(RowPool):
    """Prompt: prompt_prefix + the source sentence + prompt_suffix; reference: the target sentence."""

    @classmethod
    def read(cls, dataset: DataSet, split: str, prefix: str, suffix: str, data_dir: str | None) -> Self:
        """The pool of a data set whose `translation` column names first the source, then the target language."""
        source, target = dataset.shape["translation"]

        def texts(row: Row) -> Texts:
            pair = row["translation"]
            return prefix + pair[source] + suffix, [pair[target]]

        return cls.of_rows(split, data_dir, texts, dataset)


class EnglishGermanPool(TranslationPool):
    """From English to German (RL4LMs' own prefix is "translate English to German: ")."""

    @classmethod
    def prepare(
        cls, split: str, prompt_suffix: Suffix = "", prompt_prefix: Prefix = "", data_dir: DataDir = None
    ) -> Self:
        return cls.read(cls.dataset, split, prompt_prefix, prompt_suffix, data_dir)


class WMT14PreprocessedEnDe(EnglishGermanPool):
    """WMT 2014 as fairseq prepares it: tokenised and cleaned, 4.5 million pairs."""

    dataset = _pairs(
        "wmt14_processed_en_de",
        ("wmt14_processed_en_de", "wmt_en_de"),
        "en",
        "de",
        Hub("wmt14_processed_en_de", archive="https://cdn-datasets.huggingface.co/translation/wmt_en_de.tgz"),
    )


class WMT16NewsOnlyDatasetEnDe(EnglishGermanPool):
    """Trained only on news commentary; validation and test are those of WMT 2016."""

    dataset = _pairs(
        "wmt16newsonly",
        ("wmt16newsonly",),
        "en",
        "de",
        Hub("wmt/wmt16", "de-en", train=Hub("Helsinki-NLP/news_commentary", "de-en")),
    )


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
