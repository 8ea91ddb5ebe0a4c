"""A task of the benchmark: everything that generic code asks about it, in one object.

Each folder beside this file holds one as `TASK`. So does the module that a user's params/tasks/<task>.yaml names.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rl4lms.core.errors import ConfigError
from rl4lms.core.registry import Registry
from rl4lms.core.seeding import derive_seed
from rl4lms.core.tables import TASKS
from rl4lms.data_pools.dataset import DataSet, Row, check_split
from rl4lms.tasks.wording import Wording

Rows = Callable[[random.Random, str], Iterator[Row]]


@dataclass(frozen=True)
class LabelledText:
    """A text to classify as `head + tail`; training may show a part of `tail` only, evaluation shows it whole."""

    head: str
    tail: str
    label: int


@dataclass(frozen=True)
class Bounds:
    """What tables say of a result key, and the constants that map it to 0..1; see `aggregate` in params/grue.yaml."""

    label: str
    worst: float = 0.0
    best: float = 1.0
    kind: Literal["task", "naturalness"] = "task"
    log: bool = False


def all_texts(value: Any) -> list[str]:
    """Every text in a row, at any depth, in order."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for each in inner for text in all_texts(each)]


def without_prefix(prompt: str, *prefixes: str) -> str:
    """A prompt without the first of the prefixes, in upper or lower case, that it begins with."""
    first = next((p for p in prefixes if prompt.lower().startswith(p)), "")
    return prompt[len(first) :].strip()


@dataclass(frozen=True)
class Task:
    """One task.

    data: the columns of its rows, and where they lie. label: what people read in place of its name.
    rows: the seeded generator, (random generator, split) -> rows, or where it is ("module:function"); None for a task
        that has only rows of its own.
    documents: what a row says, as separate texts for a base model, which thus meets the words of both sides of the
        task but never the pairing. markup: what prompts hold besides text; the tokenizer sees it once a row.
    labelled: the texts of a row with their labels, for a classifier that is the reward.
    bounds: result key -> label and bounds, for metrics that no other task has.
    wording: what the pages of crowd work say. view, output: what they show of a prompt and of a generation; template:
        the file that lays a prompt out, a Jinja macro `source`; None shows it as it is.
    """

    data: DataSet
    label: str
    rows: Rows | str | None = None
    documents: Callable[[Row], list[str]] = all_texts
    markup: str = ""
    labelled: Callable[[Row], list[LabelledText]] | None = None
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    wording: Wording = field(default_factory=Wording)
    view: Callable[[str], dict[str, Any]] = lambda prompt: {}
    output: Callable[[str], str] = str
    template: Path | None = None

    @property
    def name(self) -> str:
        return self.data.name

    def generate(self, split: str, n: int, seed: int) -> list[Row]:
        """`n` rows of `split` ("train", "val" or "test"); the first k of them are the rows of `n=k`.

        Raises ConfigError for an unknown split, a negative `n` and a task without a generator, DataError where the
        generator has fewer rows.
        """
        check_split(split)
        if n < 0:
            raise ConfigError(f"rows of {self.name}, split {split}: expected 0 or more, found {n}.")
        if self.rows is None:
            raise ConfigError(f"{self.name} has no generator; say in params where its rows lie: data.data_dir.")
        rows: Rows = Registry("generator", {self.name: self.rows}).load(self.name)
        rng = random.Random(derive_seed(seed, "generator", self.name, split))
        return list(itertools.islice(rows(rng, split), n))


def task_of(name: str, where: str = "") -> Task:
    """The task of a name. Raises ConfigError for an unknown one, and for a user's module without a `TASK`."""
    task = TASKS.load(name, where)
    if not isinstance(task, Task):
        raise ConfigError(f"task {name}: its module's TASK is a {type(task).__name__}; expected a Task.")
    if task.name != name:
        raise ConfigError(f"task {name}: its module's TASK is of data named {task.name}; expected {name}.")
    return task
