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
    """B episodes of at most T steps; every (B, T) field is float32 and 0 in padded places.

    sequences: prompts, responses, their masks and the action masks they were sampled under.
    logprobs: log-probability of each token under the distribution it was sampled from (the "old" policy).
    raw_logprobs: the same under the unmasked, untempered policy; with ref_logprobs it gives the KL penalty.
    ref_logprobs: under the frozen reference.
    values: V of the state before each token.
    scores: the reward function's part of the reward, at the step where it was given.
    rewards: scores - kl_coef * (raw_logprobs - ref_logprobs).
    ended: (B,) bool, False for an episode cut because the buffer was full.
    bootstrap: (B,) float32, V of the state after the last step if it was cut, else 0.
    prompt_index: (B,) the sample of each episode in the training pool; texts: the decoded responses.
    sampler_logprobs: as logprobs, but as the sampler computed them token by token; None if those are the logprobs.
    In half precision logprobs are of the update's own forward, which rounds otherwise.
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
        """(B, T) bool, the real steps."""
        return self.sequences.response_mask

    @property
    def n_steps(self) -> int:
        return int(self.mask.sum())


@dataclass(frozen=True)
class RolloutSamples:
    """A minibatch under SB3's field names: N real tokens, every field (N,) but `observations`.

    observations: the handle that `policy.evaluate_actions` accepts; old_values, old_log_prob: of the rollout;
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
        """At most `n_parts` parts of whole episodes, every token in one of them."""
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
        """This process's micro-batches: the processes of a launch share out the episodes of an optimiser step."""
        return self.split(n_micro_batches * world_size())[rank() :: world_size()]
