"""The data sets of the seven GRUE tasks as published: their columns, where they lie, what makes two rows the same.

Readers, generators and pools meet here: a row is a dict in these columns whatever its source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.io import canonical_json
from rl4lms.data_pools.layouts import Files, movie_reviews

Row = dict[str, Any]

ANNOTATION_FIELDS = ("original_sentence", "sentence_after_deletion", "sentence_after_ambiguity", "final_sentence")

SPLITS = ("train", "val", "test")
PUBLISHED_SPLITS = {"train": "train", "val": "validation", "test": "test"}

PARQUET_BRANCH = "refs/convert/parquet"  # the hub's own conversion of data sets whose loading script no longer runs


def check_split(split: str) -> str:
    """`split` itself. Raises ConfigError for anything but "train", "val" and "test"."""
    if split not in SPLITS:
        raise ConfigError(unknown("split", split, SPLITS))
    return split


@dataclass(frozen=True)
class Hub:
    """Arguments of `datasets.load_dataset`. files: published split -> patterns; None leaves the choice to the hub.

    train: where the train split comes from, if from another data set than the rest. archive: a packed folder in the
    data set's own layout, in place of `load_dataset`.
    """

    path: str
    name: str | None = None
    revision: str | None = None
    files: Mapping[str, tuple[str, ...]] | None = None
    splits: tuple[str, ...] = SPLITS
    train: Hub | None = None
    archive: str | None = None

    def of(self, published_split: str) -> Hub:
        return self.train if self.train and published_split == "train" else self

    def place(self, published_split: str) -> str:
        """The hub's id, or the address of the file where the "hub" is one (the builders "json" and "text")."""
        return self.path if "/" in self.path or not self.files else self.files[published_split][0].split("::")[-1]


def converted(path: str, config: str) -> Hub:
    """A script-based data set in the hub's parquet conversion (both file layouts that its converter has written)."""
    files = {s: (f"{config}/{s}/*.parquet", f"{config}/*-{s}.parquet") for s in PUBLISHED_SPLITS.values()}
    return Hub(path, revision=PARQUET_BRANCH, files=files)


class Partial(dict[str, Any]):
    """The shape of an object of which any key may be missing."""


@dataclass(frozen=True)
class DataSet:
    """One published data set.

    shape: column -> what its cells are (`str`, `int`, `[str]` a list of them, `{"en": str}` an object with such keys,
        a tuple any one of several); columns in `optional` may be missing or null.
    key: rows with equal keys are never put in two splits.
    check: a complaint about a row whose columns do not fit together, or None.
    merge: how carved rows of one key become one held-out row, where the published held-out splits have that form.
    layout: the files of each split in a folder that is laid out as the data set is published; {} for another folder.
    val_fraction, test_fraction: share of the keys of train that is carved off where the split is missing.
    carve_seed: another choice of those keys; None is the usual one.
    """

    task: str
    pool: str
    folders: tuple[str, ...]
    shape: Mapping[str, Any]
    key: Callable[[Row], str]
    hub: Hub
    optional: frozenset[str] = frozenset()
    check: Callable[[Row], str | None] | None = None
    merge: Callable[[list[Row]], Row] | None = None
    layout: Callable[[Path], Files] | None = None
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    carve_seed: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.shape)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(c for c in self.shape if c not in self.optional)


def _merge_targets(rows: list[Row]) -> Row:
    """Train has one row per sentence, held-out splits one row per concept set with all its sentences."""
    targets = list(dict.fromkeys(row["target"] for row in rows))
    return {**rows[0], "target": targets[0], "references": targets}


def _check_dialog(row: Row) -> str | None:
    lengths = {name: len(row[name]) for name in ("dialog", "act", "emotion")}
    if len(set(lengths.values())) == 1:
        return None
    return "columns dialog, act, emotion: expected equally long lists, found " + ", ".join(map(str, lengths.values()))


def _check_totto(row: Row) -> str | None:
    if row.get("overlap_subset") not in (None, True, False, "True", "False"):
        return f"column overlap_subset: expected true or false, found {row['overlap_subset']!r}"
    annotations = row.get("sentence_annotations")
    if isinstance(annotations, dict) and len({len(annotations[f]) for f in ANNOTATION_FIELDS if f in annotations}) > 1:
        return "column sentence_annotations: expected equally long lists"
    table = row["table"]
    for cell in row["highlighted_cells"]:
        if len(cell) != 2 or not 0 <= cell[0] < len(table) or not 0 <= cell[1] < len(table[cell[0]]):
            return f"column highlighted_cells: {cell} is not a [row, column] of the table"
    return None


def _table_key(row: Row) -> str:
    names = ("table_page_title", "table_section_title", "table", "highlighted_cells")
    return canonical_json([row[name] for name in names])


_TOTTO_ZIP = "https://storage.googleapis.com/totto-public/totto_data.zip"
_UNIFIEDQA = "https://storage.googleapis.com/unifiedqa/data/narrativeqa"

DATASETS: dict[str, DataSet] = {
    d.task: d
    for d in (
        DataSet(
            task="imdb",
            pool="imdb",
            folders=("imdb",),
            shape={"text": str, "label": int},  # label: 1 = positive, 0 = negative
            key=lambda row: str(row["text"]),
            hub=Hub("stanfordnlp/imdb", "plain_text", splits=("train", "test")),
            layout=movie_reviews,
            val_fraction=0.2,
            test_fraction=0.2,
        ),
        DataSet(
            task="common_gen",
            pool="commongen",
            folders=("common_gen", "commongen"),
            shape={"gem_id": str, "concept_set_id": int, "concepts": [str], "target": str, "references": [str]},
            optional=frozenset({"gem_id", "concept_set_id", "references"}),
            key=lambda row: canonical_json(sorted(row["concepts"])),
            check=lambda row: None if row["concepts"] else "column concepts: expected at least one, found none",
            hub=converted("GEM/gem", "common_gen"),
            merge=_merge_targets,
        ),
        DataSet(
            task="cnn_dailymail",
            pool="cnn_daily_mail",
            folders=("cnn_dailymail", "cnn_daily_mail"),
            shape={"article": str, "highlights": str, "id": str},
            optional=frozenset({"id"}),
            key=lambda row: str(row["article"]),
            hub=Hub("abisee/cnn_dailymail", "3.0.0"),
        ),
        DataSet(
            task="totto",
            pool="totto",
            folders=("totto",),
            shape={
                "table": [[{"value": str, "is_header": bool, "column_span": int}]],
                "table_webpage_url": str,
                "table_page_title": str,
                "table_section_title": str,
                "table_section_text": str,
                "highlighted_cells": [[int]],
                "example_id": (int, float, str),  # a number in the authors' files, a string in the hub's copy
                "overlap_subset": (bool, int, str),  # a boolean in the authors' files, "True" or "False" on the hub
                # a list of objects in the authors' files, an object of lists in the hub's copy
                "sentence_annotations": (
                    [Partial.fromkeys(ANNOTATION_FIELDS, str)],
                    Partial.fromkeys(ANNOTATION_FIELDS, [str]),
                ),
            },
            optional=frozenset(
                {"table_webpage_url", "table_section_text", "example_id", "overlap_subset", "sentence_annotations"}
            ),
            key=_table_key,
            # the files that the hub's script downloaded; it cannot run any more
            hub=Hub(
                "json",
                files={
                    "train": (f"zip://totto_data/totto_train_data.jsonl::{_TOTTO_ZIP}",),
                    "validation": (f"zip://totto_data/totto_dev_data.jsonl::{_TOTTO_ZIP}",),
                    "test": (f"zip://totto_data/unlabeled_totto_test_data.jsonl::{_TOTTO_ZIP}",),
                },
            ),
            check=_check_totto,
        ),
        DataSet(
            task="iwslt2017",
            pool="iwslt2017en_de",
            folders=("iwslt2017", "iwslt2017en_de", "translation_en_de"),
            shape={"translation": {"en": str, "de": str}},
            key=lambda row: str(row["translation"]["en"]),
            hub=converted("IWSLT/iwslt2017", "iwslt2017-de-en"),
        ),
        DataSet(
            task="narrative_qa",
            pool="narrative_qa",
            folders=("narrative_qa", "narrativeqa"),
            # columns of the hub's deepmind/narrativeqa; of `document` only the summary is read
            shape={"document": {"summary": {"text": str}}, "question": {"text": str}, "answers": [{"text": str}]},
            key=lambda row: str(row["document"]["summary"]["text"]),
            check=lambda row: None if row["answers"] else "column answers: expected at least one, found none",
            # the lines "question \n summary <tab> answer" that RL4LMs trains on
            hub=Hub(
                "text",
                files={
                    "train": (f"{_UNIFIEDQA}/train.tsv",),
                    "validation": (f"{_UNIFIEDQA}/dev.tsv",),
                    "test": (f"{_UNIFIEDQA}/test.tsv",),
                },
            ),
        ),
        DataSet(
            task="daily_dialog",
            pool="daily_dialog",
            folders=("daily_dialog", "dailydialog"),
            shape={"dialog": [str], "act": [int], "emotion": [int]},  # act 1-4: inform, question, directive, commissive
            key=lambda row: canonical_json(row["dialog"]),
            hub=converted("li2017dailydialog/daily_dialog", "default"),
            check=_check_dialog,
        ),
    )
}

TASK_POOLS: dict[str, str] = {task: d.pool for task, d in DATASETS.items()}
COLUMNS: dict[str, tuple[str, ...]] = {d.pool: d.columns for d in DATASETS.values()}
