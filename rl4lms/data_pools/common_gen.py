"""CommonGen: write a sentence that contains every given concept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from rl4lms.config.kinds import DataDir, Prefix
from rl4lms.data_pools.published import DATASETS, Row
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool

EMPTY_REFERENCE = "empty reference"  # RL4LMs' text where the hub hides the target, so that metrics have something


class CommonGen(TextGenPool):
    """Prompt: prefix + the concepts joined by `concept_separator_token` + `concept_end_token`.

    The defaults are RL4LMs'; its configurations pass prefix "generate a sentence with: " and concept_end_token ".".
    References: all those of the concept set where the row has them (validation), else its target (train). RL4LMs keeps
    the first alone and so scores against one of about four.
    """

    @classmethod
    def prepare(
        cls,
        split: str,
        concept_separator_token: Annotated[str, "Text between the concepts."] = " ",
        concept_end_token: Annotated[str, "Text after the concepts."] = " ",
        prefix: Prefix = "summarize: ",
        data_dir: DataDir = None,
    ) -> CommonGen:
        def samples() -> Iterator[Sample]:
            for ix, row in enumerate(open_source(data_dir).stream(DATASETS["common_gen"], split)):
                concepts = list(row["concepts"])
                prompt = prefix + concept_separator_token.join(concepts) + concept_end_token
                yield Sample(f"{split}_{ix}", prompt, _references(row), {"concepts": concepts})

        return cls(stored(samples()))


def _references(row: Row) -> list[str]:
    references = [text for text in row.get("references") or [row["target"]] if text]
    return references or [EMPTY_REFERENCE]
