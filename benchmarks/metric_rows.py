"""Rows for the benchmark of the metrics: real ones where a folder holds them, else the project's generated ones.

A text to be scored is a reference with some of its words dropped, moved or replaced, so that it overlaps as a model's
would. Where there are fewer rows than asked for, they come again with other edits.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rl4lms.core.tables import DataPoolRegistry
from rl4lms.tasks.task import task_of

# task -> (its pool, its folder in shared data, the split that is read)
TASKS = {
    "common_gen": ("commongen", "common_gen", "val"),
    "cnn_dailymail": ("cnn_daily_mail", "cnn_dailymail", "train"),
    "iwslt2017": ("iwslt2017en_de", "translation_en_de", "val"),
    "daily_dialog": ("daily_dialog", "daily_dialog", "val"),
    "totto": ("totto", "totto", "val"),
}


class Rows(NamedTuple):
    """N texts, their references (one or more each), the samples' meta data, and where they are from."""

    texts: list[str]
    references: list[list[str]]
    meta_infos: list[Any]
    source: str


def edited(rng: random.Random, text: str, vocabulary: Sequence[str]) -> str:
    """Of the words, about a tenth is replaced, a tenth dropped, and one moved; line breaks stay."""
    lines = []
    for line in text.split("\n"):
        words = []
        for word in line.split(" "):
            chance = rng.random()
            words += [] if chance < 0.1 else [rng.choice(vocabulary)] if chance < 0.2 else [word]
        if words:
            words.insert(rng.randrange(len(words)), words.pop(rng.randrange(len(words))))
        lines.append(" ".join(words))
    return "\n".join(lines)


def _samples(task: str, data_dir: Path | None, n: int) -> tuple[Iterator[tuple[list[str], Any]], str]:
    pool_id, folder, split = TASKS[task]
    if data_dir is not None and (data_dir / folder).is_dir():
        pool = DataPoolRegistry.get(pool_id, {"split": split, "data_dir": str(data_dir / folder)})
        found = [(list(sample.references), sample.meta_data) for sample, _ in pool]
        return itertools.cycle(found), f"{folder}, {len(found):,} rows of {split}"
    rows = task_of(task).generate("val", n, seed=0)
    return iter([_generated(task, row) for row in rows]), "generated"


def _generated(task: str, row: dict[str, Any]) -> tuple[list[str], Any]:
    """References and meta data of a row in published columns."""
    match task:
        case "common_gen":
            return [row["target"], *row["references"]], None
        case "cnn_dailymail":
            return [row["highlights"]], None
        case "iwslt2017":
            return [row["translation"]["de"]], None
        case "daily_dialog":
            return row["dialog"][-1:], None
        case _:
            return [a["final_sentence"] for a in row["sentence_annotations"]], {"raw_table": row}


def load_rows(task: str, data_dir: Path | None, n: int, seed: int = 0) -> Rows:
    """seed: of the edits; the references are the same whatever it is."""
    samples, source = _samples(task, data_dir, n)
    chosen = list(itertools.islice(samples, n))
    references = [refs for refs, _ in chosen]
    rng = random.Random(seed)
    vocabulary = sorted({word for refs in references for ref in refs for word in ref.split()})
    texts = [edited(rng, refs[0], vocabulary) for refs in references]
    return Rows(texts, references, [info for _, info in chosen], source)
