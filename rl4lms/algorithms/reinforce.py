"""REINFORCE (Williams 1992) over texts, and its relatives with other baselines: RLOO, REINFORCE++ and ReMax."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from rl4lms.algorithms.groups import GroupRollouts
from rl4lms.algorithms.grpo import GRPO
from rl4lms.algorithms.on_policy_text import Loss
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.numerics.advantages import group_advantages, returns_to_go
from rl4lms.numerics.kl import kl_k2
from rl4lms.numerics.losses import sequence_log_ratio
from rl4lms.numerics.masked import whiten
from rl4lms.rollouts.episodes import EpisodeBatch, RolloutSamples


class REINFORCE(GroupRollouts):
    """The policy gradient of whole texts: -advantage * log-probability, summed over a text, averaged over texts.

    The return of a text is its score less the KL penalty (k1, summed over it). baseline: "none", or "leave_one_out",
    the mean return of all other texts of the rollout, which keeps the gradient unbiased. One pass per rollout.
    """

    least_completions: ClassVar[int] = 1
    kl_in_reward = True
    aggregation: ClassVar[str] = "sequence_sum"
    BASELINES: ClassVar[tuple[str, ...]] = ("none", "leave_one_out")

    def __init__(
        self, policy: Any, env: Any, baseline: str = "leave_one_out", n_prompts: int = 64,
        completions_per_prompt: int = 1, **kwargs: Any,
    ) -> None:  # fmt: skip
        self.baseline = _checked(baseline, self.BASELINES)
        if baseline == "leave_one_out" and n_prompts == completions_per_prompt == 1 and not kwargs.get("n_tokens"):
            raise ConfigError("alg.args.n_prompts: 1 text a rollout, expected at least 2 with baseline leave_one_out.")
        super().__init__(policy, env, n_prompts=n_prompts, completions_per_prompt=completions_per_prompt, **kwargs)

    def loss(self, batch: RolloutSamples) -> Loss:
        self.policy.entropy_gradient = self.ent_coef != 0.0
        output = self.policy.evaluate_actions(batch.observations, batch.actions)
        policy_loss = -batch.mean(batch.advantages * output.log_prob)
        entropy_loss = -batch.token_mean(output.entropy)
        terms = {"policy_gradient_loss": policy_loss, "entropy_loss": entropy_loss}
        return policy_loss + self.ent_coef * entropy_loss, terms

    def advantages(self, episodes: EpisodeBatch) -> Tensor:
        """(B,) returns of episodes less the baseline. The whole rollout is one group."""
        returns = episodes.rewards.sum(1)
        return group_advantages(returns, torch.zeros_like(episodes.groups), self.baseline, "none")


class ReMax(REINFORCE):
    """REINFORCE whose baseline is the score of the greedy response to the same prompt (arXiv:2310.10505).

    The return of a token counts the KL penalties from it on.
    """

    greedy_baseline = True

    def __init__(self, policy: Any, env: Any, **kwargs: Any) -> None:
        super().__init__(policy, env, baseline="none", **kwargs)

    def advantages(self, episodes: EpisodeBatch) -> Tensor:
        assert episodes.baseline is not None
        return returns_to_go(episodes.rewards, episodes.mask) - episodes.baseline.unsqueeze(1)


class RLOO(GRPO):
    """REINFORCE leave-one-out (arXiv:2402.14740): the baseline is the mean return of the prompt's other completions.

    The KL penalty (k1, summed over the text) is subtracted from the score before the baseline. A text is one action: it
    has one ratio, the product of those of its tokens, which is 1 in the first optimiser step, where the gradient is
    that of REINFORCE. Later steps clip it, as PPO does.
    """

    kl_in_reward = True

    def advantages(self, episodes: EpisodeBatch) -> Tensor:
        return group_advantages(episodes.rewards.sum(1), episodes.groups, "leave_one_out", "none")

    def log_ratio(self, log_ratio: Tensor, batch: RolloutSamples) -> Tensor:
        return sequence_log_ratio(log_ratio, batch.observations.rows, "sum")


class REINFORCEPlusPlus(GRPO):
    """REINFORCE++ (arXiv:2501.03262): advantages are whitened over the whole rollout, losses clipped as in PPO.

    baseline "none" is the plain algorithm: one completion of a prompt, the return of a token is the score less the KL
    penalties (k1) from it on. "mean" is REINFORCE++-baseline: several completions, the group's mean is subtracted from
    a score, and the KL is in the loss (k2).
    """

    least_completions: ClassVar[int] = 1
    aggregation: ClassVar[str] = "token_mean"
    BASELINES: ClassVar[tuple[str, ...]] = ("none", "mean")

    def __init__(
        self, policy: Any, env: Any, baseline: str = "none", n_prompts: int = 64, completions_per_prompt: int = 1,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        self.baseline = _checked(baseline, self.BASELINES)
        self.kl_in_reward = baseline == "none"
        if baseline == "mean" and completions_per_prompt < 2:
            raise ConfigError(
                f"alg.args.completions_per_prompt: {completions_per_prompt}, expected at least 2 with baseline mean."
            )
        super().__init__(policy, env, n_prompts=n_prompts, completions_per_prompt=completions_per_prompt, **kwargs)

    def advantages(self, episodes: EpisodeBatch) -> Tensor:
        """(B, T), whitened over the tokens of the rollout."""
        if self.baseline == "none":
            return whiten(returns_to_go(episodes.rewards, episodes.mask), episodes.mask)
        centred = group_advantages(episodes.rewards.sum(1), episodes.groups, "mean", "none")
        return whiten(centred.unsqueeze(1).expand(episodes.mask.shape), episodes.mask)

    def kl(self, log_prob: Tensor, ref_log_prob: Tensor) -> Tensor:
        return kl_k2(log_prob, ref_log_prob)


def _checked(baseline: str, known: tuple[str, ...]) -> str:
    if baseline not in known:
        raise ConfigError(unknown("baseline", baseline, known, "alg.args.baseline"))
    return baseline
