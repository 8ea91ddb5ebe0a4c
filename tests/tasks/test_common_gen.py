from __future__ import annotations

from pathlib import Path

from rl4lms.data_pools.text_generation_pool import TextGenPool
from rl4lms.tasks.common_gen.pool import CommonGen

from .conftest import Write

TRAIN = [
    {"gem_id": "t0", "concept_set_id": 0, "concepts": ["dog", "ball"], "target": "A dog has a ball.", "references": []},
    {"gem_id": "t1", "concept_set_id": 1, "concepts": ["sun", "shine"], "target": "", "references": []},
]
VAL = [{"concepts": ["tree", "fall"], "target": "A tree falls.", "references": ["A tree falls.", "Trees fall."]}]


def concept_sets(pool: TextGenPool) -> set[frozenset[str]]:
    return {frozenset((pool[i][0].meta_data or {})["concepts"]) for i in range(len(pool))}


def test_published_defaults_and_arguments(write: Write) -> None:
    data_dir = str(write(train=TRAIN, val=VAL, test=VAL))
    sample = CommonGen.prepare("train", data_dir=data_dir)[0][0]
    assert sample.prompt_or_input_text == "summarize: dog ball "
    assert (sample.id, sample.references) == ("train_0", ["A dog has a ball."])
    assert sample.meta_data == {"concepts": ["dog", "ball"]}
    sample = CommonGen.prepare("train", ", ", ".", "generate a sentence with: ", data_dir=data_dir)[0][0]
    assert sample.prompt_or_input_text == "generate a sentence with: dog, ball."


def test_references(write: Write) -> None:
    data_dir = str(write(train=TRAIN, val=VAL, test=VAL))
    assert CommonGen.prepare("val", data_dir=data_dir)[0][0].references == ["A tree falls.", "Trees fall."]
    assert CommonGen.prepare("train", data_dir=data_dir)[1][0].references == ["empty reference"]


def test_no_concept_set_is_in_two_splits_and_held_out_sets_have_all_their_sentences(write: Write) -> None:
    rows = [
        {"concepts": [f"c{i // 3}", "d"][:: (-1) ** i], "target": f"Sentence {i}.", "references": []}
        for i in range(300)  # three sentences a set, its concepts in either order
    ]
    pools = [CommonGen.prepare(split, data_dir=str(write(train=rows))) for split in ("train", "val", "test")]
    assert [len(pool) for pool in pools] == [240, 10, 10]
    train, val, test = map(concept_sets, pools)
    assert len(train | val | test) == 100 == len(train) + len(val) + len(test)
    assert all(len(pools[1][i][0].references) == 3 for i in range(10))


def test_real_rows(shared_data: Path) -> None:
    pools = [CommonGen.prepare(split, data_dir=str(shared_data)) for split in ("train", "val", "test")]
    train, val, test = map(concept_sets, pools)
    assert (len(pools[1]), len(val)) == (993, 991)  # two sets come twice
    assert len(train) + len(test) == 5028 and not train & test
    assert len(test) == len(pools[2]) == 503
