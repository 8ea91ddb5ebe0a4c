"""The published data sets outside the seven tasks: more translation, summaries in a sentence, a game of many voices."""

from __future__ import annotations

from rl4lms.core.errors import ConfigError, unknown
from rl4lms.data_pools.layouts import crd3
from rl4lms.data_pools.published import DataSet, Hub, Row, converted

_WMT14_PROCESSED = "https://cdn-datasets.huggingface.co/translation/wmt_en_de.tgz"  # prepared by fairseq's script
_CRD3 = "https://github.com/RevanthRameshkumar/CRD3/archive/refs/heads/master.zip"

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


def _pairs(task: str, folders: tuple[str, ...], source: str, target: str, hub: Hub) -> DataSet:
    return DataSet(
        task=task,
        pool=task,
        folders=folders,
        shape={"translation": {source: str, target: str}},
        key=lambda row: str(row["translation"][source]),
        hub=hub,
    )


def _check_turns(row: Row) -> str | None:
    for number, turn in enumerate(row["TURNS"]):
        if not turn["NAMES"]:
            return f"column TURNS[{number}].NAMES: expected a speaker, found none"
    return None


WMT14_PROCESSED = _pairs(
    "wmt14_processed_en_de",
    ("wmt14_processed_en_de", "wmt_en_de"),
    "en",
    "de",
    Hub("wmt14_processed_en_de", archive=_WMT14_PROCESSED),
)

# trained on news commentary alone, held out as the shared task has it
WMT16_NEWS_ONLY = _pairs(
    "wmt16newsonly",
    ("wmt16newsonly",),
    "en",
    "de",
    Hub("wmt/wmt16", "de-en", train=Hub("Helsinki-NLP/news_commentary", "de-en")),
)

XSUM = DataSet(
    task="xsum",
    pool="xsum",
    folders=("xsum",),
    shape={"document": str, "target": str},
    key=lambda row: str(row["document"]),
    hub=converted("GEM/gem", "xsum"),
)

CRD3 = DataSet(
    task="crd3",
    pool="crd3",
    folders=("crd3",),
    shape={"TURNS": [{"NAMES": [str], "UTTERANCES": [str]}]},  # a row is an episode
    key=lambda row: "\n".join(text for turn in row["TURNS"] for text in turn["UTTERANCES"]),
    hub=Hub("crd3", archive=_CRD3),
    check=_check_turns,
    layout=crd3,
)
