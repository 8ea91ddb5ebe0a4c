r"""The pool `narrative_qa`, in UnifiedQA's form "question \n summary"."""

from __future__ import annotations

from rl4lms.config.kinds import DataDir
from rl4lms.data_pools.dataset import Row
from rl4lms.data_pools.row_pool import RowPool, Texts
from rl4lms.tasks.narrative_qa import TASK


class NarrativeQA(RowPool):
    r"""Prompt: question, the two characters \n, the summary without its line ends, a space; all in lower case.

    References: the answers, in lower case and stripped. RL4LMs reads the lines that UnifiedQA made of the data set;
    this is what they hold. (Both mean to remove apostrophes and do not; the prompts are kept as they were trained on.)
    """

    dataset = TASK.data

    @classmethod
    def prepare(cls, split: str, data_dir: DataDir = None) -> NarrativeQA:
        return cls.of_rows(split, data_dir, _texts)


def _texts(row: Row) -> Texts:
    summary = row["document"]["summary"]["text"].replace("\n", "")
    prompt = f"{row['question']['text']} \\n {summary} "
    return prompt.lower(), [answer["text"].lower().strip() for answer in row["answers"]]
