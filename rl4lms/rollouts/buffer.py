"""The rollout buffer: it holds whole episodes, computes advantages and makes minibatches of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import BaseBuffer
from torch import Tensor

from rl4lms.core import progress
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.seeding import torch_generator
from rl4lms.numerics.advantages import gae
from rl4lms.numerics.importance import truncated_weights
from rl4lms.numerics.losses import token_weights
from rl4lms.numerics.masked import whiten
from rl4lms.policies.sequences import TokenView
from rl4lms.rollouts.episodes import EpisodeBatch, RolloutSamples

MINIBATCH_UNITS = ("episodes", "transitions")


class EpisodeRolloutBuffer(BaseBuffer):
    """An `EpisodeBatch` with the interface of SB3's rollout buffer. Sequences are stored once, not per token.

    minibatch: with "transitions" a minibatch has `batch_size` random steps, as in the paper. With "episodes" it has
    whole episodes: their random order is divided into as many minibatches, and an episode belongs to the minibatch in
    which its middle step lies, so that `batch_size` is the average number of steps. The order is drawn from (seed,
    iteration, epoch).

    normalize_advantage: advantages get mean 0 and standard deviation 1 (docs/numerics.md, line 12). With "transitions"
    this is done in each minibatch, as published. With "episodes" it is done once over the rollout: a minibatch may be a
    single episode, and its mean advantage is what distinguishes it from others. Returns are not changed.

    importance_cap: a minibatch's advantages are weighted by min(probability in the update / in the sampler, cap), for
    half precision, in which the two round differently (docs/numerics.md, line 29). None does not.

    Three things are set by the algorithm (`rl4lms.algorithms.on_policy_text`): `estimator`, which maps the episodes to
    advantages (B, T) or (B,), instead of GAE; `aggregation`, of a loss over tokens (docs/numerics.md, line 32); and
    `n_minibatches`, with which an epoch has so many minibatches of whole groups and `batch_size` is not used.
    """

    estimator: Callable[[EpisodeBatch], Tensor] | None = None
    aggregation: str = "token_mean"
    n_minibatches: int | None = None
    longest: int = 0  # the most tokens of an episode, for the aggregation "constant"

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: torch.device | str = "auto",
        gae_lambda: float = 1.0,
        gamma: float = 0.99,
        n_envs: int = 1,
        minibatch: str = "episodes",
        seed: int = 0,
        normalize_advantage: bool = False,
        importance_cap: float | None = None,
    ) -> None:
        super().__init__(buffer_size, observation_space, action_space, device, n_envs=n_envs)
        if minibatch not in MINIBATCH_UNITS:
            raise ConfigError(unknown("minibatch unit", minibatch, MINIBATCH_UNITS, "alg.args.minibatch"))
        self.gamma, self.gae_lambda, self.minibatch, self.seed = gamma, gae_lambda, minibatch, seed
        self.normalize_advantage, self.importance_cap = normalize_advantage, importance_cap
        self.iteration = 0
        self.reset()

    def reset(self) -> None:
        super().reset()
        self.episodes: EpisodeBatch | None = None
        self._epoch = 0

    def add_episodes(self, episodes: EpisodeBatch, iteration: int) -> None:
        """Store the experience of one iteration and compute its advantages and returns."""
        self.episodes, self.iteration, self._epoch, self.full = episodes, iteration, 0, True
        self.compute_returns_and_advantage()

    def compute_returns_and_advantage(self, last_values: Tensor | None = None, dones: Any = None) -> None:
        """GAE over the episodes. SB3's arguments are not used, because each episode has its bootstrap value."""
        e = self._stored()
        if self.estimator is None:
            self.advantages, self._returns = gae(e.rewards, e.values, e.mask, e.bootstrap, self.gamma, self.gae_lambda)
        else:
            advantages = self.estimator(e)
            advantages = advantages if advantages.ndim == 2 else advantages.unsqueeze(1).expand(e.mask.shape)
            self.advantages = torch.where(e.mask, advantages, 0.0)
            self._returns = self.advantages
        if self.normalize_advantage and self.minibatch == "episodes":
            self.advantages = whiten(self.advantages, e.mask)

    def _stored(self) -> EpisodeBatch:
        if self.episodes is None:
            raise RuntimeError("the rollout buffer is empty: call add_episodes first")
        return self.episodes

    @property
    def values(self) -> NDArray[np.float64]:
        """The values of the N real tokens; `train()` of SB3's classes compares them with `returns`."""
        e = self._stored()
        return e.values[e.mask].double().cpu().numpy()

    @property
    def returns(self) -> NDArray[np.float64]:
        """The returns of the N real tokens."""
        return self._returns[self._stored().mask].double().cpu().numpy()

    def size(self) -> int:
        return self._stored().n_steps

    def get(self, batch_size: int | None = None) -> Iterator[RolloutSamples]:
        """One epoch of minibatches, with every real token once. batch_size: in steps; None makes one minibatch."""
        e = self._stored()
        generator = torch_generator(self.seed, "minibatches", self.iteration, self._epoch)
        self._epoch += 1
        mask = e.mask.cpu()
        if self.n_minibatches is not None:
            minibatches = self._group_minibatches(mask, e.groups.cpu(), self.n_minibatches, generator)
        elif self.minibatch == "episodes":
            minibatches = self._episode_minibatches(mask, batch_size or e.n_steps, generator)
        else:
            minibatches = self._transition_minibatches(mask, batch_size or e.n_steps, generator)
        for n, (rows, cols) in enumerate(minibatches, 1):
            progress.phase(f"update, epoch {self._epoch}, minibatch", n)
            yield self._samples(rows.to(e.mask.device), cols.to(e.mask.device))

    @staticmethod
    def _episode_minibatches(
        mask: Tensor, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        lengths = mask.sum(1)
        order = torch.randperm(len(lengths), generator=generator)
        order = order[lengths[order] > 0]
        n_steps = int(lengths.sum())
        n_minibatches = max(1, round(n_steps / batch_size))
        middles = 2 * lengths[order].cumsum(0) - lengths[order]  # the middle of each episode, in half steps
        bins = middles * n_minibatches // (2 * n_steps)
        for bin_ in bins.unique():
            yield _places(order[bins == bin_].tolist(), lengths.tolist())

    @staticmethod
    def _group_minibatches(
        mask: Tensor, groups: Tensor, n_minibatches: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Whole groups in random order, as equal in number as can be."""
        lengths, names = mask.sum(1), torch.unique(groups)
        order = names[torch.randperm(len(names), generator=generator)]
        for own in order.tensor_split(min(n_minibatches, len(names))) if len(names) else ():
            yield _places(torch.nonzero(torch.isin(groups, own)).flatten().tolist(), lengths.tolist())

    @staticmethod
    def _transition_minibatches(
        mask: Tensor, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        rows, cols = torch.nonzero(mask, as_tuple=True)
        for index in torch.randperm(len(rows), generator=generator).split(batch_size):
            yield rows[index], cols[index]

    def _samples(self, rows: Tensor, cols: Tensor) -> RolloutSamples:
        e = self._stored()
        touched, local_rows = torch.unique(rows, return_inverse=True)
        view = TokenView(e.sequences.rows(touched), local_rows, cols)
        advantages = self.advantages[rows, cols]
        if self.normalize_advantage and self.minibatch == "transitions":
            advantages = whiten(advantages, torch.ones_like(advantages, dtype=torch.bool))
        if self.importance_cap is not None and e.sampler_logprobs is not None:
            sampled = e.sampler_logprobs[rows, cols]
            advantages = advantages * truncated_weights(e.logprobs[rows, cols], sampled, self.importance_cap)
        weights = token_weights(torch.bincount(local_rows), self.aggregation, self.longest)[local_rows]
        return RolloutSamples(
            observations=view,
            actions=e.sequences.response_ids[rows, cols],
            old_values=e.values[rows, cols],
            old_log_prob=e.logprobs[rows, cols],
            advantages=advantages,
            returns=self._returns[rows, cols],
            ref_log_prob=e.ref_logprobs[rows, cols],
            weights=weights.to(advantages.dtype),
            n_tokens=len(rows),
        )

    def _get_samples(self, batch_inds: Any, env: Any = None) -> Any:
        raise NotImplementedError("`get` makes the minibatches")


def _places(episodes: list[int], lengths: list[int]) -> tuple[Tensor, Tensor]:
    rows = torch.cat([torch.full((lengths[e],), e, dtype=torch.int64) for e in episodes])
    cols = torch.cat([torch.arange(lengths[e]) for e in episodes])
    return rows, cols
