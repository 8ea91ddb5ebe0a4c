"""A task of one's own in one file: add two numbers. Whether an answer is right can be checked exactly."""

import random
from collections.abc import Iterator
from typing import Any

from rl4lms.data_pools.dataset import DataSet
from rl4lms.data_pools.generators.splits import distinct
from rl4lms.data_pools.row_pool import RowPool
from rl4lms.envs.text_generation.metric import BaseMetric
from rl4lms.envs.text_generation.reward import BatchedRewardFunction
from rl4lms.tasks.task import Bounds, Task


def rows(rng: random.Random, split: str) -> Iterator[dict[str, Any]]:
    """No sum of one split is in another."""
    for a, b in distinct(rng, split, lambda rng: (rng.randint(0, 49), rng.randint(0, 49)), str):
        yield {"question": f"{a} + {b} =", "answer": f" {a + b}"}


def is_right(text: str, answer: str) -> float:
    return float(text.split()[:1] == answer.split())


class Sums(RowPool):
    dataset = DataSet("sums", {"question": str, "answer": str})

    @classmethod
    def prepare(cls, split: str, data_dir: str | None = None) -> "Sums":
        return cls.of_rows(split, data_dir, lambda row: (row["question"], [row["answer"]]))


class RightAnswer(BatchedRewardFunction):
    def __call__(
        self,
        prompt_texts: list[str],
        gen_texts: list[str],
        ref_texts: list[list[str]],
        dones: list[bool],
        meta_infos: list[dict[str, Any]] | None = None,
    ) -> list[float]:
        return [is_right(text, references[0]) for text, references in zip(gen_texts, ref_texts, strict=True)]


class Accuracy(BaseMetric):
    def compute(
        self,
        prompt_texts: list[str],
        generated_texts: list[str],
        reference_texts: list[list[str]] | None = None,
        meta_infos: list[dict[str, Any]] | None = None,
        model: Any = None,
        split_name: str | None = None,
    ) -> dict[str, tuple[list[float], float]]:
        answers = [references[0] for references in reference_texts or []]
        right = [is_right(text, answer) for text, answer in zip(generated_texts, answers, strict=True)]
        return {"sums/accuracy": (right, sum(right) / len(right))}


TASK = Task(
    label="Sums",
    data=Sums.dataset,
    rows=rows,
    documents=lambda row: [row["question"] + row["answer"]],
    bounds={"sums/accuracy": Bounds("Right answers")},
)
