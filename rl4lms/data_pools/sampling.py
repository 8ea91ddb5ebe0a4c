"""Which prompt an episode gets: a pure function of (seed, iteration, episode), whatever batch size or rank."""

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
    iteration, block), and entry episode % 256 of it belongs to the episode: its number u in [0, 1) draws the first
    sample whose cumulative weight exceeds u times the sum.
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
        self._cumulative = np.cumsum(scaled / scaled.max())  # divided first, so that the sum is finite
        self._last = int(np.flatnonzero(scaled)[-1])
        self._key = (-1, -1)
        self._block: list[int] = []

    def __len__(self) -> int:
        return len(self._cumulative)

    def index(self, iteration: int, episode: int) -> int:
        """The sample index of one episode of one iteration, both counted from 0."""
        block, offset = divmod(episode, _BLOCK)
        if self._key != (iteration, block):
            place = numpy_generator(self.seed, "prompt", iteration, block).random(_BLOCK) * self._cumulative[-1]
            drawn = np.searchsorted(self._cumulative, place, side="right")
            self._block = np.minimum(drawn, self._last).tolist()  # the product can round up to the sum
            self._key = (iteration, block)
        return self._block[offset]

    def indices(self, iteration: int, episodes: Iterable[int]) -> list[int]:
        """`index` of each episode."""
        return [self.index(iteration, episode) for episode in episodes]


def weights_of(samples: Sequence[tuple[Any, float]]) -> NDArray[np.float64]:
    """(n,) the weights of (sample, weight) pairs; a pool knows its own without building a sample."""
    if isinstance(samples, TextGenPool):
        return samples.weights()
    return np.array([weight for _, weight in samples], dtype=np.float64)
