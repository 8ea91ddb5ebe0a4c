"""Advantages as an optimiser step sees them (docs/numerics.md, line 12)."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from gymnasium import spaces
from torch.testing import assert_close

from rl4lms.policies.sequences import Sequences
from rl4lms.rollouts.buffer import EpisodeRolloutBuffer
from rl4lms.rollouts.episodes import EpisodeBatch

N_STEPS = 1280


def rollout(lengths: range, seed: int = 0, n_steps: int = N_STEPS) -> EpisodeBatch:
    """Episodes of drawn lengths whose score, at the last token, is standard normal; values are 0."""
    g = torch.Generator().manual_seed(seed)
    drawn: list[int] = []
    while sum(drawn) < n_steps:
        drawn.append(int(torch.randint(lengths.start, lengths.stop, (1,), generator=g)))
    drawn[-1] -= sum(drawn) - n_steps
    n = torch.tensor(drawn)
    mask = torch.arange(int(n.max())) < n.unsqueeze(1)
    rewards = torch.zeros(mask.shape)
    rewards[torch.arange(len(n)), n - 1] = torch.randn(len(n), generator=g)
    zeros, prompt = torch.zeros(mask.shape), torch.ones(len(n), 1, dtype=torch.int64)
    return EpisodeBatch(
        sequences=Sequences(prompt, prompt.bool(), torch.zeros(mask.shape, dtype=torch.int64), mask),
        logprobs=zeros,
        raw_logprobs=zeros,
        ref_logprobs=zeros,
        values=zeros,
        scores=rewards,
        rewards=rewards,
        ended=torch.ones(len(n), dtype=torch.bool),
        bootstrap=torch.zeros(len(n)),
        prompt_index=[0] * len(n),
        texts=[""] * len(n),
    )


def filled(batch: EpisodeBatch, **arguments: Any) -> EpisodeRolloutBuffer:
    action = spaces.Discrete(2)
    buffer = EpisodeRolloutBuffer(batch.n_steps, action, action, gamma=1.0, **arguments)
    buffer.add_episodes(batch, 0)
    return buffer


def seen(buffer: EpisodeRolloutBuffer, batch_size: int | None = 64) -> list[torch.Tensor]:
    return [minibatch.advantages.double() for minibatch in buffer.get(batch_size)]


@pytest.mark.parametrize("gae_lambda", [0.95, 1.0])
@pytest.mark.parametrize("lengths", [range(25, 129), range(32, 129), range(48, 49)], ids=str)
def test_whole_episodes_are_whitened_once_over_the_rollout(lengths: range, gae_lambda: float) -> None:
    """What a step of one or two episodes learns from is the raw advantages, shifted and scaled: correlation 1."""
    batch = rollout(lengths)
    white, raw = (filled(batch, gae_lambda=gae_lambda, normalize_advantage=white) for white in (True, False))
    after, before = seen(white), seen(raw)
    assert len(after) > 10, "minibatches of one or two episodes"
    joined, original = torch.cat(after), torch.cat(before)
    assert float(torch.corrcoef(torch.stack([joined, original]))[0, 1]) >= 1 - 1e-6
    assert_close(joined, (original - original.mean()) / original.std(), rtol=1e-5, atol=1e-6)
    assert any(abs(float(each.mean())) > 0.3 for each in after), "an episode keeps its own mean"
    assert white.returns.tolist() == raw.returns.tolist() and len(white.returns) == N_STEPS


def test_the_size_of_a_minibatch_changes_no_advantage() -> None:
    sizes = (None, 64, 200)
    buffers = [filled(rollout(range(25, 129)), normalize_advantage=True) for _ in sizes]
    columns = [torch.cat(seen(buffer, size)).sort().values for buffer, size in zip(buffers, sizes, strict=True)]
    assert all(torch.equal(a, b) for a, b in itertools.pairwise(columns))


def test_transitions_are_whitened_over_each_optimiser_step() -> None:
    """As published: a minibatch of steps of many episodes has mean 0 and deviation 1 of its own."""
    batch = rollout(range(25, 129))
    white, raw = (filled(batch, minibatch="transitions", normalize_advantage=white) for white in (True, False))
    for minibatch, original in zip(seen(white), seen(raw), strict=True):
        assert_close(minibatch, (original - original.mean()) / (original.std() + 1e-8), rtol=1e-5, atol=1e-6)
    assert torch.equal(white.advantages, raw.advantages)


@pytest.mark.parametrize("unit", ["episodes", "transitions"])
def test_a_single_token_is_left_as_it_is(unit: str) -> None:
    batch = rollout(range(1, 2), n_steps=1)
    (advantages,) = seen(filled(batch, minibatch=unit, normalize_advantage=True))
    assert advantages.tolist() == batch.rewards.flatten().tolist() != [0.0]


@pytest.mark.parametrize("unit", ["episodes", "transitions"])
def test_advantages_are_as_computed_where_nothing_is_asked(unit: str) -> None:
    batch = rollout(range(25, 129))
    buffer = filled(batch, minibatch=unit)
    assert sorted(torch.cat(seen(buffer)).tolist()) == sorted(buffer.advantages[batch.mask].double().tolist())
    assert abs(float(buffer.advantages[batch.mask].mean())) > 1e-2


@pytest.mark.parametrize("minibatch", ["episodes", "transitions"])
def test_whitened_advantages_are_weighted_by_update_over_sampler_up_to_the_cap(minibatch: str) -> None:
    """docs/numerics.md, line 29: the weight is of the advantage alone; returns and the weights of a loss stay."""
    batch = rollout(range(5, 9), n_steps=40)
    noise = torch.randn(batch.mask.shape, generator=torch.Generator().manual_seed(1)) * batch.mask
    batch = replace(batch, logprobs=torch.where(batch.mask, -1.0, 0.0), sampler_logprobs=noise - 1.0)
    arguments = {"minibatch": minibatch, "normalize_advantage": True}
    (plain,) = filled(batch, **arguments).get(None)
    (weighted,) = filled(batch, importance_cap=1.5, **arguments).get(None)
    at = plain.observations.rows, plain.observations.cols
    expected = torch.exp(-noise[at]).clamp(max=1.5)
    assert 0 < int((expected == 1.5).sum()) < 40
    assert_close(weighted.advantages, plain.advantages * expected)
    assert torch.equal(weighted.returns, plain.returns) and torch.equal(weighted.weights, plain.weights)
    (unknown,) = filled(replace(batch, sampler_logprobs=None), importance_cap=1.5, **arguments).get(None)
    assert torch.equal(unknown.advantages, plain.advantages)
