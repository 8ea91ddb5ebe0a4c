"""The experience of one rollout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rl4lms.numerics.distributed import rank, world_size
from rl4lms.policies.sequences import Sequences, TokenView


@dataclass(frozen=True)
class EpisodeBatch:
    """B episodes of at most T steps. Every (B, T) field is float32 and 0 at padding.

    sequences: prompts and responses with their masks, and the action masks during sampling.
    logprobs: the log-probability of each token under the distribution that was sampled (the "old" policy). In half
        precision it is computed by the forward of the update, which rounds differently from the sampler.
    raw_logprobs: the log-probability under the policy without masks and temperature; the KL penalty compares it with
        ref_logprobs.
    ref_logprobs: the log-probability under the frozen reference.
    values: V of the state before each token.
    scores: the result of the reward function, at the step for which it was given.
    rewards: scores - kl_coef * (raw_logprobs - ref_logprobs).
    ended: (B,) bool, False for an episode that was cut because the buffer was full.
    bootstrap: (B,) float32, V of the state after the last step if the episode was cut, else 0.
    prompt_index: the index of each episode's sample in the training pool. texts: the decoded responses.
    sampler_logprobs: logprobs as the sampler computed them, token by token; None if they are equal.
    score_parts: name -> one score for each ended episode, in any order, if the reward is a weighted sum of others.
    """

    sequences: Sequences
    logprobs: Tensor
    raw_logprobs: Tensor
    ref_logprobs: Tensor
    values: Tensor
    scores: Tensor
    rewards: Tensor
    ended: Tensor
    bootstrap: Tensor
    prompt_index: list[int]
    texts: list[str]
    sampler_logprobs: Tensor | None = None
    score_parts: Mapping[str, list[float]] = field(default_factory=dict)

    @property
    def mask(self) -> Tensor:
        """(B, T) bool, True for real steps."""
        return self.sequences.response_mask

    @property
    def n_steps(self) -> int:
        return int(self.mask.sum())


@dataclass(frozen=True)
class RolloutSamples:
    """A minibatch of N real tokens with SB3's field names. All fields except `observations` are (N,).

    observations: the argument for `policy.evaluate_actions`; old_values, old_log_prob: those of the rollout;
    advantages: whitened already if the algorithm has `normalize_advantage`.
    """

    observations: TokenView
    actions: Tensor
    old_values: Tensor
    old_log_prob: Tensor
    advantages: Tensor
    returns: Tensor

    def __len__(self) -> int:
        return self.actions.shape[0]

    def split(self, n_parts: int) -> list[RolloutSamples]:
        """Divide the minibatch into at most `n_parts` parts of whole episodes."""
        if n_parts == 1:
            return [self]
        view = self.observations
        parts = []
        for episodes in torch.arange(len(view.sequences), device=view.rows.device).tensor_split(n_parts):
            chosen = torch.isin(view.rows, episodes)
            if not bool(chosen.any()):
                continue
            rows = torch.searchsorted(episodes, view.rows[chosen])
            part = TokenView(view.sequences.rows(episodes), rows, view.cols[chosen])
            columns = (self.actions, self.old_values, self.old_log_prob, self.advantages, self.returns)
            parts.append(RolloutSamples(part, *(column[chosen] for column in columns)))
        return parts

    def own_parts(self, n_micro_batches: int) -> list[RolloutSamples]:
        """The micro-batches of this process: the processes of a launch divide the episodes of an optimiser step."""
        return self.split(n_micro_batches * world_size())[rank() :: world_size()]
