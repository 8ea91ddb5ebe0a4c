"""Reward-ranked fine-tuning (arXiv:2304.06767), also called expert iteration."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from rl4lms.algorithms.groups import GroupRollouts
from rl4lms.algorithms.on_policy_text import Loss
from rl4lms.numerics.advantages import best_of_group
from rl4lms.rollouts.episodes import EpisodeBatch, RolloutSamples


class RAFT(GroupRollouts):
    """Supervised steps on the completion of each prompt that has the highest score; the first of equal ones.

    The loss is the mean over tokens of the negative log-probability under the model itself, without masks.
    """

    aggregation: ClassVar[str] = "token_mean"

    def loss(self, batch: RolloutSamples) -> Loss:
        self.policy.entropy_gradient = self.ent_coef != 0.0
        output = self.policy.evaluate_actions(batch.observations, batch.actions, raw=True)
        assert output.raw_log_prob is not None
        entropy_loss = -batch.token_mean(output.entropy)
        return self.ent_coef * entropy_loss - batch.mean(output.raw_log_prob), {"entropy_loss": entropy_loss}

    def select(self, batch: EpisodeBatch) -> EpisodeBatch:
        return batch.rows(best_of_group(batch.scores.sum(1), batch.groups))

    def advantages(self, episodes: EpisodeBatch) -> Tensor:
        return torch.ones_like(episodes.ended, dtype=episodes.rewards.dtype)
