"""The pool `daily_dialog`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar

from rl4lms.config.kinds import DataDir
from rl4lms.config.reader import Count
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.dataset import Row
from rl4lms.data_pools.row_pool import RowPool
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.tasks.daily_dialog import TASK


class DailyDialog(RowPool):
    """Prompt: the last `context_size` utterances joined by "<EOU>", and " <EOU>"; reference: the next one + "<EOU>".

    An utterance with fewer before it is no sample. The id counts utterances, as in RL4LMs. meta_data: "emotion" and
    "intent" (1 inform, 2 question, 3 directive, 4 commissive) of the reference, each in a list of one.
    """

    dataset = TASK.data
    EOU_TOKEN: ClassVar[str] = "<EOU>"

    @classmethod
    def prepare(
        cls, split: str, context_size: Annotated[Count, "Turns that a prompt holds."] = 5, data_dir: DataDir = None
    ) -> DailyDialog:
        if context_size < 1:
            raise ConfigError(f"daily_dialog: context_size {context_size}: expected a whole number of at least 1.")
        rows = open_source(data_dir).stream(cls.dataset, split)
        pool = cls(stored(cls._samples_of(rows, split, context_size)))
        if not len(pool):
            raise DataError(
                f"daily_dialog, split {split}: no dialogue has more than context_size {context_size} turns."
            )
        return pool

    @classmethod
    def _samples_of(cls, rows: Iterable[Row], split: str, context_size: int) -> Iterator[Sample]:
        utterance_id = 0
        for row in rows:
            dialog = row["dialog"]
            for turn, (utterance, emotion, intent) in enumerate(zip(dialog, row["emotion"], row["act"], strict=True)):
                if turn >= context_size:
                    prompt = f"{cls.EOU_TOKEN.join(dialog[turn - context_size : turn])} {cls.EOU_TOKEN}"
                    meta_data = {"emotion": [emotion], "intent": [intent]}
                    yield Sample(f"{split}_{utterance_id}", prompt, [utterance + cls.EOU_TOKEN], meta_data)
                utterance_id += 1
