"""NUMERICS 15: what is logged of a rollout is over its real tokens; and waves of episodes join without a trace."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from rl4lms.policies.sequences import Sequences
from rl4lms.rollouts.collector import rollout_info
from rl4lms.rollouts.episodes import EpisodeBatch


def batch(extra: int = 0, value: float = 0.0) -> EpisodeBatch:
    g = torch.Generator().manual_seed(0)
    mask = torch.arange(5) < torch.tensor([5, 2, 3]).unsqueeze(1)

    def column() -> torch.Tensor:
        x = torch.where(mask, torch.randn(3, 5, generator=g), 0.0)
        return torch.cat([x, torch.full((3, extra), value)], 1)

    wide = torch.cat([mask, torch.zeros(3, extra, dtype=torch.bool)], 1)
    ids = torch.zeros(3, 5 + extra, dtype=torch.int64)
    prompt = torch.ones(3, 2, dtype=torch.int64)
    sequences = Sequences(prompt, prompt.bool(), ids, wide)
    logprobs, raw, ref, values = (column() for _ in range(4))
    scores = torch.zeros(3, 5 + extra)
    scores[0, 4], scores[1, 1] = 0.5, 1.5
    return EpisodeBatch(
        sequences,
        logprobs,
        raw,
        ref,
        values,
        scores,
        scores,
        torch.tensor([True, True, False]),
        torch.zeros(3),
        [0, 1, 2],
        [""] * 3,
    )


def test_hand_values():
    info = rollout_info(batch(), 0.1)
    assert info["rollout/ep_rew_mean"] == pytest.approx(1.0), "over the episodes that ended"
    assert info["rollout/ep_len_mean"] == pytest.approx(10 / 3)
    assert (info["rollout/n_episodes"], info["rollout/n_cut"], info["rollout/n_steps"]) == (3, 1, 10)
    b = batch()
    kl = (b.raw_logprobs - b.ref_logprobs)[b.mask]
    assert info["rollout/kl_mean"] == pytest.approx(float(kl.mean()))
    assert info["rollout/ep_kl_rew_mean"] == pytest.approx(float(-0.1 * kl.sum() / 3))


def test_padding_changes_no_logged_number():
    padded = batch(extra=100, value=float("nan"))
    zeroed = dataclasses.replace(padded, scores=torch.nan_to_num(padded.scores))
    assert rollout_info(zeroed, 0.1) == pytest.approx(rollout_info(batch(), 0.1))
