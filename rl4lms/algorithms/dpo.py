"""Direct preference optimisation (arXiv:2305.18290) on pairs of completions that the reward ranks."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from rl4lms.algorithms.groups import GroupRollouts
from rl4lms.algorithms.on_policy_text import Loss, check_positive
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.numerics.advantages import best_of_group
from rl4lms.rollouts.episodes import EpisodeBatch, RolloutSamples


class DPO(GroupRollouts):
    """Raises the probability of a prompt's best completion against that of its worst one, relative to the reference.

    The loss of a pair is -log sigmoid(beta * margin), where the margin is the difference of log pi / pi_ref of the two
    texts, without masks (Eq. 7). Groups whose scores are all equal have no pair. sampler: "policy" draws the
    completions from the current policy ("online"), "reference" from the model at the start ("offline").
    """

    aggregation: ClassVar[str] = "sequence_sum"
    SAMPLERS: ClassVar[tuple[str, ...]] = ("policy", "reference")

    def __init__(
        self, policy: Any, env: Any, beta: float = 0.1, sampler: str = "policy", completions_per_prompt: int = 2,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        check_positive(beta=beta)
        if sampler not in self.SAMPLERS:
            raise ConfigError(unknown("sampler", sampler, self.SAMPLERS, "alg.args.sampler"))
        self.beta, self.by_reference = beta, sampler == "reference"
        super().__init__(policy, env, completions_per_prompt=completions_per_prompt, **kwargs)

    def loss(self, batch: RolloutSamples) -> Loss:
        """The loss of a part of an optimiser step, and the terms to log: sums over its pairs, divided by all pairs.

        The two texts of a pair have the advantages 1 and -1, and each token has the weight 1 / (2 n) with n pairs.
        """
        self.policy.entropy_gradient = False
        output = self.policy.evaluate_actions(batch.observations, batch.actions, raw=True)
        assert output.raw_log_prob is not None and batch.observations.sequences.groups is not None
        rows = batch.observations.rows
        _, pair = torch.unique(batch.observations.sequences.groups, return_inverse=True)
        signed = batch.advantages * (output.raw_log_prob - batch.ref_log_prob)
        margin = self.beta * signed.new_zeros(int(pair.max()) + 1).index_add(0, pair[rows], signed)
        weight = 2 * batch.weights[0]
        loss = -weight * torch.nn.functional.logsigmoid(margin).sum()
        accuracy = weight * (margin > 0).sum()
        return loss, {"reward_margin": weight * margin.sum(), "reward_accuracy": accuracy}

    def select(self, batch: EpisodeBatch) -> EpisodeBatch:
        """The best and the worst completion of every group that has both, in this order."""
        scores, groups = batch.scores.sum(1), batch.groups
        best, worst = best_of_group(scores, groups), best_of_group(-scores, groups)
        differ = scores[best] > scores[worst]
        return batch.rows(torch.stack([best[differ], worst[differ]], 1).flatten())

    def advantages(self, episodes: EpisodeBatch) -> Tensor:
        """(B,) 1 for the first of each pair, -1 for the second."""
        second = torch.arange(len(episodes.ended), device=episodes.values.device) % 2
        return (1 - 2 * second).to(episodes.rewards.dtype)
