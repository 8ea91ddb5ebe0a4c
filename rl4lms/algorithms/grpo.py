"""Group relative policy optimisation (arXiv:2402.03300), PPO with the prompt's other completions as its critic."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from stable_baselines3.common.utils import FloatSchedule
from torch import Tensor

from rl4lms.algorithms.groups import GroupRollouts
from rl4lms.algorithms.on_policy_text import Loss, check_positive
from rl4lms.config.arguments import clip_complaint
from rl4lms.core.errors import ConfigError
from rl4lms.numerics.advantages import group_advantages
from rl4lms.numerics.kl import kl_k3
from rl4lms.numerics.losses import clipped_policy_loss, sequence_log_ratio
from rl4lms.rollouts.episodes import EpisodeBatch, RolloutSamples


class GRPO(GroupRollouts):
    """Clipped policy gradient with the advantage of a completion over those of its group, the same at every token.

    The advantage is divided by the group's standard deviation, a loss is the mean over completions of the mean over
    their tokens, and k3 of the KL to the reference is a term of the loss. Variants override the hooks `advantages`,
    `log_ratio` and `policy_loss`, and the class attributes.

    clip_range, clip_range_high: how far the ratio may move from 1, downwards and upwards (None: equally). target_kl:
    ends the passes of an update, as in PPO. The other arguments are those of `GroupRollouts`.
    """

    aggregation: ClassVar[str] = "sequence_mean"
    scale: ClassVar[str] = "std"  # of the advantages of a group

    def __init__(
        self,
        policy: Any,
        env: Any,
        clip_range: Any = 0.2,
        clip_range_high: Any = None,
        target_kl: float | None = None,
        **kwargs: Any,
    ) -> None:
        check_positive(clip_range=clip_range, clip_range_high=clip_range_high, target_kl=target_kl)
        if (wrong := clip_complaint(clip_range, clip_range_high)) is not None:
            raise ConfigError(f"alg.args.clip_range_high: {wrong}")
        self.clip_range = FloatSchedule(clip_range)
        self.clip_range_high = FloatSchedule(clip_range if clip_range_high is None else clip_range_high)
        self.target_kl = target_kl
        super().__init__(policy, env, **kwargs)

    def train(self) -> None:
        """One update, with the clip ranges of this iteration."""
        self.clip = tuple(f(self._current_progress_remaining) for f in (self.clip_range, self.clip_range_high))
        super().train()
        self.logger.record("train/clip_range", self.clip[0])
        self.logger.record("train/clip_range_high", self.clip[1])

    def loss(self, batch: RolloutSamples) -> Loss:
        kl_coeff = 0.0 if self.kl_in_reward else self.kl_coeff
        self.policy.entropy_gradient = self.ent_coef != 0.0
        output = self.policy.evaluate_actions(batch.observations, batch.actions, raw=kl_coeff > 0)
        log_ratio = output.log_prob - batch.old_log_prob
        ratio = torch.exp(self.log_ratio(log_ratio, batch))
        policy_loss = batch.mean(self.policy_loss(ratio, output.log_prob, batch.advantages))
        entropy_loss = -batch.token_mean(output.entropy)
        loss = policy_loss + self.ent_coef * entropy_loss
        terms = {"policy_gradient_loss": policy_loss, "entropy_loss": entropy_loss}
        if output.raw_log_prob is not None:
            terms["kl_loss"] = batch.mean(self.kl(output.raw_log_prob, batch.ref_log_prob))
            loss = loss + kl_coeff * terms["kl_loss"]
        with torch.no_grad():
            outside = (ratio < 1 - self.clip[0]) | (ratio > 1 + self.clip[1])
            terms["approx_kl"] = batch.token_mean(kl_k3(batch.old_log_prob, output.log_prob))
            terms["clip_fraction"] = batch.token_mean(outside.to(ratio.dtype))
        return loss, terms

    # -- hooks -------------------------------------------------------------------------------------------------------

    def advantages(self, episodes: EpisodeBatch) -> Tensor:
        """(B,) advantages of completions, or (B, T) of tokens."""
        return group_advantages(episodes.rewards.sum(1), episodes.groups, "mean", self.scale)

    def log_ratio(self, log_ratio: Tensor, batch: RolloutSamples) -> Tensor:
        """(N,) the log-ratio of new and old policy that counts for each token, from those of the tokens."""
        return log_ratio

    def policy_loss(self, ratio: Tensor, log_prob: Tensor, advantages: Tensor) -> Tensor:
        """(N,) losses of the tokens."""
        return clipped_policy_loss(ratio, advantages, *self.clip)

    def kl(self, log_prob: Tensor, ref_log_prob: Tensor) -> Tensor:
        """(N,) the estimates of the KL to the reference in the loss, of log-probabilities without masks."""
        return kl_k3(log_prob, ref_log_prob)


class DrGRPO(GRPO):
    """GRPO without its two biases (arXiv:2503.20783): no division by the standard deviation, nor by a length.

    A token's weight is 1 / (B T) with T the most tokens that a completion can have.
    """

    aggregation: ClassVar[str] = "constant"
    scale: ClassVar[str] = "none"


class GSPO(GRPO):
    """GRPO with one ratio per sequence (arXiv:2507.18071): the geometric mean of those of its tokens."""

    def __init__(
        self, policy: Any, env: Any, clip_range: Any = 3e-4, clip_range_high: Any = 4e-4, **kwargs: Any
    ) -> None:
        super().__init__(policy, env, clip_range, clip_range_high, **kwargs)

    def log_ratio(self, log_ratio: Tensor, batch: RolloutSamples) -> Tensor:
        return sequence_log_ratio(log_ratio, batch.observations.rows, "mean")


class CISPO(GRPO):
    """GRPO that caps the weight of a token instead of clipping its loss (arXiv:2506.13585), so that all tokens learn.

    The loss of a token is -stop_gradient(min(ratio, ratio_cap)) * advantage * log-probability; the mean is over tokens.
    """

    aggregation: ClassVar[str] = "token_mean"

    def __init__(self, policy: Any, env: Any, ratio_cap: float = 5.0, **kwargs: Any) -> None:
        check_positive(ratio_cap=ratio_cap)
        self.ratio_cap = ratio_cap
        super().__init__(policy, env, clip_range=1.0, **kwargs)
        self.clip_range_high = FloatSchedule(ratio_cap - 1)  # for `clip_fraction`, which counts the capped weights

    def policy_loss(self, ratio: Tensor, log_prob: Tensor, advantages: Tensor) -> Tensor:
        return -ratio.detach().clamp(max=self.ratio_cap) * advantages * log_prob
