"""The experience of one rollout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from rl4lms.numerics.distributed import rank, world_size
from rl4lms.policies.sequences import Sequences, TokenView, join_sequences, pad_right


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
    baseline: (B,) float32, the score of the greedy response to the same prompt; None if the algorithm needs none.
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
    baseline: Tensor | None = None

    @property
    def mask(self) -> Tensor:
        """(B, T) bool, True for real steps."""
        return self.sequences.response_mask

    @property
    def n_steps(self) -> int:
        return int(self.mask.sum())

    @property
    def groups(self) -> Tensor:
        """(B,) int64, equal for the completions of one prompt; each episode's own number if it has no others."""
        groups = self.sequences.groups
        return torch.arange(len(self.sequences), device=self.values.device) if groups is None else groups

    def rows(self, index: Tensor) -> EpisodeBatch:
        """The episodes at `index` (K,). Parts of scores stay those of all."""
        own = [name for name, x in vars(self).items() if isinstance(x, Tensor)]
        columns: dict[str, Any] = {name: getattr(self, name)[index] for name in own}
        t = max(int(self.mask[index].sum(1).max()), 1) if len(index) else 1
        columns = {name: x[:, :t] if x.ndim == 2 else x for name, x in columns.items()}
        at = index.tolist()
        lists: dict[str, Any] = {name: [getattr(self, name)[i] for i in at] for name in ("prompt_index", "texts")}
        return replace(self, sequences=self.sequences.rows(index), **columns, **lists)


def join_episodes(parts: list[EpisodeBatch], pad_id: int) -> EpisodeBatch:
    """All episodes as one batch, padded to the longest. All parts have the same columns."""
    if len(parts) == 1:
        return parts[0]
    t = max(part.values.shape[1] for part in parts)
    columns: dict[str, Any] = {}
    for name, x in vars(parts[0]).items():
        own = [getattr(part, name) for part in parts]
        if isinstance(x, Tensor):
            columns[name] = torch.cat([pad_right(each, t, 0) if x.ndim == 2 else each for each in own])
        elif isinstance(x, list):
            columns[name] = [item for each in own for item in each]
    names = dict.fromkeys(name for part in parts for name in part.score_parts)
    scored = {name: [x for part in parts for x in part.score_parts.get(name, [])] for name in names}
    return EpisodeBatch(
        sequences=join_sequences([part.sequences for part in parts], pad_id), score_parts=scored, **columns
    )


@dataclass(frozen=True)
class RolloutSamples:
    """A minibatch of N real tokens with SB3's field names. All fields except `observations` are (N,).

    observations: the argument for `policy.evaluate_actions`; old_values, old_log_prob: those of the rollout;
    advantages: whitened already if the algorithm has `normalize_advantage`; ref_log_prob: under the reference;
    weights: of each token in a loss, which is a weighted sum over the tokens of an optimiser step. The sum of the parts
    of a minibatch, or of those of all processes, is the loss of the whole (docs/numerics.md, lines 14 and 32).
    n_tokens: the number of tokens of the whole optimiser step.
    """

    observations: TokenView
    actions: Tensor
    old_values: Tensor
    old_log_prob: Tensor
    advantages: Tensor
    returns: Tensor
    ref_log_prob: Tensor
    weights: Tensor
    n_tokens: int

    def __len__(self) -> int:
        return self.actions.shape[0]

    def mean(self, values: Tensor) -> Tensor:
        """The weighted sum of the losses (N,) of the tokens: this part's share of the loss of the whole step."""
        return (self.weights * values).sum()

    def token_mean(self, values: Tensor) -> Tensor:
        """This part's share of the mean of numbers (N,) over the tokens of the whole step, whatever the weights."""
        return values.sum() / self.n_tokens

    def split(self, n_parts: int) -> list[RolloutSamples]:
        """Divide the minibatch into at most `n_parts` parts of whole episodes, or of whole groups if there are any."""
        if n_parts == 1:
            return [self]
        view = self.observations
        episodes = torch.arange(len(view.sequences), device=view.rows.device)
        groups = episodes if view.sequences.groups is None else view.sequences.groups
        parts = []
        for chosen_groups in torch.unique(groups).tensor_split(n_parts):
            own = episodes[torch.isin(groups, chosen_groups)]
            chosen = torch.isin(view.rows, own)
            if not bool(chosen.any()):
                continue
            part = TokenView(view.sequences.rows(own), torch.searchsorted(own, view.rows[chosen]), view.cols[chosen])
            columns = {name: x[chosen] for name, x in vars(self).items() if isinstance(x, Tensor)}
            parts.append(RolloutSamples(observations=part, n_tokens=self.n_tokens, **columns))
        return parts

    def own_parts(self, n_micro_batches: int) -> list[RolloutSamples]:
        """The micro-batches of this process: the processes of a launch divide the episodes of an optimiser step."""
        return self.split(n_micro_batches * world_size())[rank() :: world_size()]
