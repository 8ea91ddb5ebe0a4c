"""The pool `commongen`."""

from __future__ import annotations

from typing import Annotated

from rl4lms.config.kinds import DataDir, Prefix
from rl4lms.data_pools.dataset import Row
from rl4lms.data_pools.row_pool import RowPool, Texts
from rl4lms.tasks.common_gen import TASK

EMPTY_REFERENCE = "empty reference"  # RL4LMs' text where the hub hides the target, so that metrics have something


class CommonGen(RowPool):
    """Prompt: prefix + the concepts joined by `concept_separator_token` + `concept_end_token`.

    The defaults are RL4LMs'; its configurations pass prefix "generate a sentence with: " and concept_end_token ".".
    References: all those of the concept set where the row has them (validation), else its target (train). RL4LMs keeps
    only the first and so scores against one of about four.
    """

    dataset = TASK.data

    @classmethod
    def prepare(
        cls,
        split: str,
        concept_separator_token: Annotated[str, "Text between the concepts."] = " ",
        concept_end_token: Annotated[str, "Text after the concepts."] = " ",
        prefix: Prefix = "summarize: ",
        data_dir: DataDir = None,
    ) -> CommonGen:
        def texts(row: Row) -> Texts:
            concepts = list(row["concepts"])
            prompt = prefix + concept_separator_token.join(concepts) + concept_end_token
            references = [text for text in row.get("references") or [row["target"]] if text]
            return prompt, references or [EMPTY_REFERENCE], {"concepts": concepts}

        return cls.of_rows(split, data_dir, texts)
