"""Rows of the seeded generators, behind the same interface as files and hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rl4lms.core.errors import DataError
from rl4lms.data_pools.generators import generate
from rl4lms.data_pools.published import DataSet, Row, check_split
from rl4lms.data_pools.row_check import complaint
from rl4lms.data_pools.sources import Source


class GeneratorSource(Source):
    """sizes: split -> number of rows, which are a pure function of (task, split, number, seed)."""

    name = "generator"

    def __init__(self, sizes: Mapping[str, int], seed: int) -> None:
        self.sizes = dict(sizes)
        self.seed = seed

    def stream(self, dataset: DataSet, split: str) -> Iterator[Row]:
        rows = generate(dataset.task, check_split(split), self.sizes[split], self.seed)
        for number, row in enumerate(rows, 1):
            wrong = complaint(row, dataset)
            if wrong:
                raise DataError(f"generator of {dataset.task}, split {split}, row {number}: {wrong}.")
            yield row
