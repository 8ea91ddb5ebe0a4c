"""DailyDialog: give the next utterance of a chit-chat dialogue."""

from __future__ import annotations

from typing import ClassVar

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.published import DATASETS
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool


class DailyDialog(TextGenPool):
    """Prompt: the last `context_size` utterances joined by "<EOU>", and " <EOU>"; reference: the next one + "<EOU>".

    An utterance with fewer before it is no sample. The id counts utterances, as in RL4LMs. meta_data: "emotion" and
    "intent" (1 inform, 2 question, 3 directive, 4 commissive) of the reference, each in a list of one.
    """

    EOU_TOKEN: ClassVar[str] = "<EOU>"

    @classmethod
    def prepare(cls, split: str, context_size: int = 5, data_dir: str | None = None) -> DailyDialog:
        if context_size < 1:
            raise ConfigError(f"daily_dialog: context_size {context_size}: expected a whole number of at least 1.")
        samples = []
        utterance_id = 0
        for row in open_source(data_dir).rows(DATASETS["daily_dialog"], split):
            dialog = row["dialog"]
            for turn, (utterance, emotion, intent) in enumerate(zip(dialog, row["emotion"], row["act"], strict=True)):
                if turn >= context_size:
                    prompt = f"{cls.EOU_TOKEN.join(dialog[turn - context_size : turn])} {cls.EOU_TOKEN}"
                    meta_data = {"emotion": [emotion], "intent": [intent]}
                    samples.append(Sample(f"{split}_{utterance_id}", prompt, [utterance + cls.EOU_TOKEN], meta_data))
                utterance_id += 1
        if not samples:
            raise DataError(
                f"daily_dialog, split {split}: no dialogue has more than context_size {context_size} turns."
            )
        return cls(samples)
