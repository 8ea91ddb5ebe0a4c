r"""NarrativeQA over summaries: answer a question about a story, in UnifiedQA's form "question \n summary"."""

from __future__ import annotations

from collections.abc import Iterator

from rl4lms.config.kinds import DataDir
from rl4lms.data_pools.published import DATASETS
from rl4lms.data_pools.sources import open_source
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool


class NarrativeQA(TextGenPool):
    r"""Prompt: question, the two characters \n, the summary without its line ends, a space; all in lower case.

    References: the answers, in lower case and stripped. RL4LMs reads the lines that UnifiedQA made of the data set;
    this is what they hold. (Both mean to remove apostrophes and do not; the prompts are kept as they were trained on.)
    """

    @classmethod
    def prepare(cls, split: str, data_dir: DataDir = None) -> NarrativeQA:
        def samples() -> Iterator[Sample]:
            for ix, row in enumerate(open_source(data_dir).stream(DATASETS["narrative_qa"], split)):
                summary = row["document"]["summary"]["text"].replace("\n", "")
                prompt = f"{row['question']['text']} \\n {summary} "
                references = [answer["text"].lower().strip() for answer in row["answers"]]
                yield Sample(f"{split}_{ix}", prompt.lower(), references)

        return cls(stored(samples()))
