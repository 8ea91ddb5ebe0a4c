"""Sums and differences of two numbers of two digits, by the package reasoning-gym: what a small model half knows."""

import reasoning

from rl4lms.data_pools.dataset import DataSet
from rl4lms.tasks.task import Bounds, Task

TASK = Task(
    label="Two-digit sums",
    data=DataSet("two_digit_sums", reasoning.CHAIN_SUM.data.shape, key=reasoning.CHAIN_SUM.data.key),
    rows=reasoning.generator("chain_sum", min_terms=2, max_terms=2, min_digits=2, max_digits=2),
    documents=reasoning.CHAIN_SUM.documents,
    bounds={"score": Bounds("Score")},
)
