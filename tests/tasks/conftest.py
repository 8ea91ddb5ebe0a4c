"""The rows of every task that tests of data pools write by hand, for the tests of the tasks as well."""

from __future__ import annotations

from rl4lms.core.tables import TASKS
from rl4lms.tasks.task import task_of
from tests.data_pools.conftest import (  # noqa: F401
    ROWS,
    Write,
    annotation,
    cell,
    dialog,
    imdb_row,
    pair,
    shared_data,
    story,
    totto_row,
    write,
)

DATASETS = {task: task_of(task).data for task in TASKS.ids()}
