"""Decoupled clip and dynamic sampling policy optimisation (arXiv:2503.14476)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from rl4lms.algorithms.grpo import GRPO
from rl4lms.core.errors import ConfigError
from rl4lms.numerics.advantages import group_advantages
from rl4lms.rollouts.collector import RolloutCollector
from rl4lms.rollouts.episodes import EpisodeBatch
from rl4lms.tokenization.text_task import TextTask


class DAPO(GRPO):
    """GRPO with a higher upper clip, a mean over tokens, dynamic sampling, and a penalty of responses near the limit.

    n_rounds: the most rounds of prompts that are drawn for groups whose scores differ; 1 keeps all groups.
    overlong_tokens: the last tokens before the longest response, in which a penalty grows from 0 to `overlong_penalty`
    (Eq. 13); 0 has no penalty. It needs `terminate_on_eos`, without which all responses are as long.
    """

    aggregation: ClassVar[str] = "token_mean"

    def __init__(
        self,
        policy: Any,
        env: Any,
        clip_range: Any = 0.2,
        clip_range_high: Any = 0.28,
        n_rounds: int = 3,
        overlong_tokens: int = 0,
        overlong_penalty: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self.n_rounds, self.overlong_tokens, self.overlong_penalty = n_rounds, overlong_tokens, overlong_penalty
        super().__init__(policy, env, clip_range=clip_range, clip_range_high=clip_range_high, **kwargs)

    def make_collector(self, task: TextTask, *args: Any) -> RolloutCollector:
        if self.overlong_tokens and not task.terminate_on_eos:
            raise ConfigError(
                "alg.args.overlong_tokens: without env.args.terminate_on_eos: true every response has the full length, "
                "and the penalty would be the same for all; write 0, or terminate_on_eos: true."
            )
        return super().make_collector(task, *args)

    def advantages(self, episodes: EpisodeBatch) -> Tensor:
        returns = episodes.rewards.sum(1) - self.overlong_penalty * self.overlong(episodes.mask.sum(1))
        return group_advantages(returns, episodes.groups, "mean", self.scale)

    def overlong(self, lengths: Tensor) -> Tensor:
        """(B,) float32, from 0, at `overlong_tokens` before the longest response, to 1, for that."""
        if not self.overlong_tokens:
            return lengths.new_zeros(lengths.shape, dtype=torch.float32)
        begin = self.collector.task.max_episode_length - self.overlong_tokens
        return ((lengths - begin).clamp(min=0) / self.overlong_tokens).float()
