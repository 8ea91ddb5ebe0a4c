"""Pools over the rows of a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

from rl4lms.data_pools.dataset import DataSet, Row
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool

Texts = tuple[str, list[str]] | tuple[str, list[str], dict[str, Any]]


class RowPool(TextGenPool):
    """A pool that makes one sample of each row of `dataset`; its samples are numbered in the order of the rows."""

    dataset: ClassVar[DataSet]

    @classmethod
    def of_rows(
        cls, split: str, data_dir: str | None, texts: Callable[[Row], Texts], dataset: DataSet | None = None
    ) -> Self:
        """texts: a row's prompt, references and, if a reward or metric reads any, meta_data.

        data_dir: where the rows lie; None reads them from the hub. dataset: in place of the class's.
        """
        rows = open_source(data_dir).stream(dataset or cls.dataset, split)
        return cls(stored(Sample(f"{split}_{ix}", *texts(row)) for ix, row in enumerate(rows)))
