from __future__ import annotations

import pytest

from rl4lms.core.errors import DataError
from rl4lms.core.tables import TASKS
from rl4lms.data_pools.dataset import DataSet, Row
from rl4lms.data_pools.splitting import carved, disjoint, first_n, stable_hash
from rl4lms.tasks.task import task_of

from .conftest import ROWS, pair

DATASETS = {task: task_of(task).data for task in TASKS.ids()}
IWSLT = DATASETS["iwslt2017"]
SENTENCES = [pair(f"Sentence {i}.") for i in range(100)]


def carve(rows: list[Row], dataset: DataSet, splits: list[str], where: str) -> dict[str, list[Row]]:
    return {split: list(carved(lambda: rows, dataset, splits, split, where)) for split in ("train", *splits)}


def test_stable_hash_is_fixed_for_ever() -> None:
    assert stable_hash("a", "b") == 0x25225E3E641B4FF3  # printf "b\x1fa" | b2sum -l 64


@pytest.mark.parametrize("task", DATASETS)
def test_carved_splits_are_disjoint_and_whole(task: str) -> None:
    dataset = DATASETS[task]
    rows = [ROWS[task](i) for i in range(60)]
    parts = carve(rows, dataset, ["val", "test"], "here")
    keys = {split: {dataset.key(row) for row in part} for split, part in parts.items()}
    assert set.union(*keys.values()) == {dataset.key(row) for row in rows}
    assert sum(map(len, keys.values())) == len(set.union(*keys.values()))
    n_keys = len({dataset.key(row) for row in rows})
    assert len(keys["test"]) == round(n_keys * dataset.test_fraction)
    assert len(keys["val"]) == round(n_keys * dataset.val_fraction)


def test_membership_depends_on_the_rows_alone() -> None:
    parts = carve(SENTENCES, IWSLT, ["val", "test"], "here")
    backwards = carve(SENTENCES[::-1], IWSLT, ["test", "val"], "here")
    assert {split: part[::-1] for split, part in backwards.items()} == parts
    assert parts["train"] == [row for row in SENTENCES if row in parts["train"]]  # in the order they came in


def test_carving_one_split_leaves_the_rest_to_train() -> None:
    parts = carve(SENTENCES, IWSLT, ["test"], "here")
    assert {split: len(part) for split, part in parts.items()} == {"train": 90, "test": 10}


def test_too_few_rows_to_carve() -> None:
    with pytest.raises(DataError, match=r"train\.jsonl: 2 distinct rows are too few to cut a val and test split off"):
        carve([*SENTENCES[:2], SENTENCES[0]], IWSLT, ["val", "test"], "train.jsonl")


def test_first_n_keeps_order_is_keyed_and_nested() -> None:
    chosen = first_n(SENTENCES, 10, "seed 0")
    assert len(chosen) == 10 and chosen == [row for row in SENTENCES if row in chosen]
    assert chosen != SENTENCES[:10] and chosen != first_n(SENTENCES, 10, "seed 1")
    assert all(row in first_n(SENTENCES, 20, "seed 0") for row in chosen)
    assert first_n(SENTENCES, None, "") == first_n(SENTENCES, 100, "") == SENTENCES


def test_disjoint_gives_a_key_to_the_later_split() -> None:
    a, b, c, d = SENTENCES[:4]
    kept = disjoint({"train": [a, b, c, d, a], "val": [b, c, b], "test": [c]}, IWSLT)
    assert kept == {"test": [c], "val": [b, b], "train": [a, d, a]}
