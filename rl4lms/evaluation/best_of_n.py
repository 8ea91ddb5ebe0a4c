"""Best of n: of n texts of one model for a prompt the one with the highest reward. A baseline without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.evaluation.generation import Generation, TextGenerator

Rewards = Callable[[Generation], list[float]]  # one for each sample


@dataclass(frozen=True)
class Chosen:
    """The best text of each sample with its reward. n_tokens: generated in all, stop tokens included."""

    generation: Generation
    rewards: list[float]
    n_tokens: int


def best_of_n(
    first: TextGenerator, others: TextGenerator, samples: Sequence[Sample], rewards: Rewards, n: int
) -> Chosen:
    """Candidate 1 is what `first` generates, candidates 2..n are sampled by `others`; of equal rewards the first wins.

    The candidates of a smaller n are the first of these, so a sample's reward never falls with n.
    """
    candidates = [first.generate(samples), *others.candidates(samples, range(2, n + 1))]
    return choose(candidates, [rewards(candidate) for candidate in candidates])


def choose(candidates: Sequence[Generation], rewards: Sequence[Sequence[float]]) -> Chosen:
    """rewards: of every candidate, one for each sample."""
    best = [max(range(len(candidates)), key=of_sample.__getitem__) for of_sample in zip(*rewards, strict=True)]
    token_ids = [candidates[j].token_ids[i] for i, j in enumerate(best)]
    texts = [candidates[j].texts[i] for i, j in enumerate(best)]
    n_tokens = sum(len(row) for candidate in candidates for row in candidate.token_ids)
    return Chosen(Generation(token_ids, texts), [rewards[j][i] for i, j in enumerate(best)], n_tokens)
