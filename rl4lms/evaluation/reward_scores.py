"""The reward of finished generations, as the rollouts would give it, without its KL penalty."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rl4lms.core import progress
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.evaluation.generation import Generation
from rl4lms.rollouts.scoring import BatchedScorer, Response
from rl4lms.tokenization.text_task import TextTask


def reward_scores(task: TextTask, samples: Sequence[Sample], generation: Generation, *, batch_size: int) -> list[float]:
    """Sum of each episode's rewards, one per sample: every generation is an episode that ended with its last token.

    task: reward function, tokenizer and limits; its own samples are not read. A generation without a token counts as
    its padding alone, so that it is scored as an empty text.
    """
    scorer = BatchedScorer(task)
    responses = finished_episodes(task, samples, generation)
    scores: list[float] = []
    for first in range(0, len(responses), batch_size):
        progress.phase("reward, text", first, len(responses))
        scores += [math.fsum(row) for row in scorer(responses[first : first + batch_size])]
    return scores


def finished_episodes(task: TextTask, samples: Sequence[Sample], generation: Generation) -> list[Response]:
    """Each generation as an episode that ended with its last token; one without a token has padding alone."""
    return [
        Response(sample, token_ids or [task.pad_id], True, text)
        for sample, token_ids, text in zip(samples, generation.token_ids, generation.texts, strict=True)
    ]
