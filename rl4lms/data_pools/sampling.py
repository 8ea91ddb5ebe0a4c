"""Which prompt an episode gets: a pure function of (seed, iteration, episode), whatever batch size or rank.

A draw costs the same whatever the number of samples (Walker's alias method in Vose's form, IEEE TSE 17(9), 1991): the
interval [0, n) is n columns of width 1, each shared by its own sample and at most one other, its alias.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl4lms.core.errors import ConfigError
from rl4lms.core.seeding import numpy_generator
from rl4lms.data_pools.text_generation_pool import TextGenPool

_BLOCK = 256  # episodes drawn at once; part of the stream's definition


class PromptSampler:
    """Draws sample indices with replacement, p(i) = weights[i]**priority_scale / sum: uniform at the published scale 0.

    weights: (n,) finite, >= 0. A block of 256 episodes is drawn at once from the stream keyed by (seed, "prompt",
    iteration, block), and entry episode % 256 of it belongs to the episode: its number u in [0, 1) is the place u * n
    in the columns. Where all weights are equal no column is shared, and the sample is floor(u * n).
    """

    def __init__(self, weights: Sequence[float] | NDArray[np.float64], seed: int, priority_scale: float = 0.0) -> None:
        with np.errstate(all="ignore"):  # what is not finite is refused below
            scaled = np.asarray(weights, dtype=np.float64) ** priority_scale
        if scaled.ndim != 1 or not scaled.size:
            raise ConfigError("prompt sampler: expected at least one weight; the data pool is empty.")
        if not np.isfinite(scaled).all() or (scaled < 0).any() or not scaled.any():
            raise ConfigError(
                f"prompt sampler: weights ** {priority_scale} must be finite, not negative, and not all zero."
            )
        self.seed = seed
        self._n = len(scaled)
        self._columns = None if (scaled == scaled[0]).all() else alias_columns(scaled)
        self._key = (-1, -1)
        self._block: list[int] = []

    def __len__(self) -> int:
        return self._n

    def index(self, iteration: int, episode: int) -> int:
        """The sample index of one episode of one iteration, both counted from 0."""
        block, offset = divmod(episode, _BLOCK)
        if self._key != (iteration, block):
            place = numpy_generator(self.seed, "prompt", iteration, block).random(_BLOCK) * self._n
            drawn = np.minimum(place.astype(np.int64), self._n - 1)  # the product can round up to n
            if self._columns is not None:
                own_share, alias = self._columns
                drawn = np.where(place - drawn < own_share[drawn], drawn, alias[drawn])
            self._block = drawn.tolist()
            self._key = (iteration, block)
        return self._block[offset]

    def indices(self, iteration: int, episodes: Iterable[int]) -> list[int]:
        """`index` of each episode."""
        return [self.index(iteration, episode) for episode in episodes]


def alias_columns(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(share of each column that is its own sample's, sample that has the rest): each (n,), from weights of sum > 0.

    A column that is short of 1 is filled up by one that has more than 1, which may then be short itself. What rounding
    leaves over belongs to its own sample, but a weight of 0 has a share of exactly 0.
    """
    n = len(weights)
    share = weights / weights.max()  # first, so that the sum is finite
    share *= n / share.sum()
    own, alias = share.tolist(), list(range(n))
    short, long = np.flatnonzero(share < 1).tolist(), np.flatnonzero(share >= 1).tolist()
    while short and long:
        column, donor = short.pop(), long[-1]
        alias[column] = donor
        own[donor] -= 1 - own[column]
        if own[donor] < 1:
            short.append(long.pop())
    heaviest = int(np.argmax(weights))
    for column in short + long:
        own[column], alias[column] = (1.0, column) if weights[column] > 0 else (0.0, heaviest)
    return np.array(own), np.array(alias)


def weights_of(samples: Sequence[tuple[Any, float]]) -> NDArray[np.float64]:
    """(n,) the weights of (sample, weight) pairs; a pool knows its own without building a sample."""
    if isinstance(samples, TextGenPool):
        return samples.weights()
    return np.array([weight for _, weight in samples], dtype=np.float64)
