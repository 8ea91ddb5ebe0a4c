"""Rows of a task's seeded generator, behind the same interface as files and hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rl4lms.core.errors import DataError
from rl4lms.data_pools.dataset import DataSet, Row, check_split
from rl4lms.data_pools.row_check import complaint
from rl4lms.data_pools.sources import Source
from rl4lms.tasks.task import Task


class GeneratorSource(Source):
    """sizes: split -> number of rows, which are a pure function of (task, split, number, seed)."""

    name = "generator"

    def __init__(self, task: Task, sizes: Mapping[str, int], seed: int) -> None:
        self.task, self.sizes, self.seed = task, dict(sizes), seed

    def stream(self, dataset: DataSet, split: str) -> Iterator[Row]:
        rows = self.task.generate(split, self.sizes[check_split(split)], self.seed)
        for number, row in enumerate(rows, 1):
            wrong = complaint(row, dataset)
            if wrong:
                raise DataError(f"generator of {self.task.name}, split {split}, row {number}: {wrong}.")
            yield row
