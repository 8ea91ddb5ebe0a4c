"""Three tasks of the package reasoning-gym, which scores their answers: sums, letters in a text, common divisors."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from rl4lms.data_pools.dataset import DataSet
from rl4lms.data_pools.row_pool import RowPool
from rl4lms.tasks.task import Bounds, Task

ENDLESS = 10**6  # rows that a data set of the package is said to have; they are made when they are asked for


def generator(name: str, **settings: Any) -> Callable[[random.Random, str], Iterator[dict[str, Any]]]:
    def rows(rng: random.Random, split: str) -> Iterator[dict[str, Any]]:
        import reasoning_gym

        entries = reasoning_gym.create_dataset(name, size=ENDLESS, seed=rng.getrandbits(31), **settings)
        for index in range(ENDLESS):
            entry = entries[index]
            yield {"question": entry["question"], "answer": entry["answer"], "entry": json.dumps(entry)}

    return rows


def task(name: str, label: str, **settings: Any) -> Task:
    return Task(
        label=label,
        data=DataSet(name, {"question": str, "answer": str, "entry": str}, key=lambda row: str(row["question"])),
        rows=generator(name, **settings),
        documents=lambda row: [f"{row['question']} {row['answer']}"],
        bounds={"score": Bounds("Score")},
    )


CHAIN_SUM = task("chain_sum", "Chain sum", min_terms=2, max_terms=2, min_digits=1, max_digits=2)
LETTER_COUNTING = task("letter_counting", "Letter counting", min_words=3, max_words=5)
GCD = task("gcd", "Greatest common divisor", min_value=1, max_value=50)


class Questions(RowPool):
    """The rows of any of the three: they have the same columns."""

    dataset = CHAIN_SUM.data

    @classmethod
    def prepare(cls, split: str, data_dir: str | None = None) -> "Questions":
        return cls.of_rows(
            split, data_dir, lambda row: (row["question"], [f" {row['answer']}"], {"entry": json.loads(row["entry"])})
        )


def score(completions: list[str], entry: list[dict[str, Any]], **columns: Any) -> list[float]:
    """Reward and metric: what the package says of each answer, 1 for the right one."""
    import reasoning_gym

    judges = [reasoning_gym.get_score_answer_fn(each["metadata"]["source_dataset"]) for each in entry]
    return [
        float(judge(answer=text.strip(), entry=each))
        for judge, text, each in zip(judges, completions, entry, strict=True)
    ]
