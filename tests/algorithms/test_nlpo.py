"""docs/numerics.md, line 20: sampling uses the mask policy, a refresh reaches it, and masking nothing is PPO."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from rl4lms.algorithms.nlpo import NLPO
from rl4lms.algorithms.ppo import PPO
from rl4lms.core.errors import ConfigError
from rl4lms.policies.truncation import SamplingSpec
from tests.algorithms.test_ppo import build, weights
from tests.conftest import EOS, PAD, VOCAB, dense_mask

TOP_P = {"top_mask": 0.5, "min_tokens_to_keep": 2, "target_update_iterations": 2, "mask_type": "learned_top_p"}


def masks(algorithm: Any) -> torch.Tensor:
    """(T, V) bool masks of one fixed prompt's greedy rollout."""
    ids = torch.tensor([[5, 9, 11]])
    spec = SamplingSpec(3, do_sample=False, stop_on_eos=False)
    out = algorithm.policy.generate(ids, torch.ones_like(ids, dtype=torch.bool), spec, eos_id=EOS, pad_id=PAD)
    from rl4lms.numerics.packing import unpack_bits

    return unpack_bits(out.action_mask_bits, VOCAB)[0]


def shift(algorithm: Any) -> None:
    with torch.no_grad():
        for p in algorithm.policy.policy_model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_masking_nothing_is_ppo_bit_for_bit(model_dir, family):
    ppo = build(model_dir(family), family, cls=PPO)
    ppo.learn(64 * 3, log_interval=None)
    for arguments in (
        {"top_mask": 1.0},
        {"mask_type": "learned_top_k", "top_mask": VOCAB},
        {"mask_type": "topk", "top_mask": VOCAB},
    ):
        nlpo = build(model_dir(family), family, cls=NLPO, policy={**TOP_P, **arguments})
        nlpo.learn(64 * 3, log_interval=None)
        assert torch.equal(weights(ppo), weights(nlpo))


@pytest.mark.parametrize("family", ["gpt2", "t5", "llama", "bart"])
@pytest.mark.parametrize(
    "mask",
    [TOP_P, {**TOP_P, "mask_type": "learned_top_k", "top_mask": 7}, {**TOP_P, "mask_type": "topk", "top_mask": 7}],
)
def test_sampled_tokens_are_inside_the_mask_and_the_ratio_is_one(model_dir, family, mask):
    algorithm = build(model_dir(family), family, cls=NLPO, policy=mask)
    shift(algorithm)  # so that mask policy and policy differ
    batch = algorithm.collector.collect(algorithm.policy, 0)
    allowed = dense_mask(batch.sequences)
    chosen = allowed.gather(-1, batch.sequences.response_ids.unsqueeze(-1)).squeeze(-1)
    assert chosen[batch.mask].all()
    counts = allowed[batch.mask].sum(-1)
    assert counts.float().mean() < VOCAB / 2 and allowed[batch.mask][:, EOS].all()
    if mask["mask_type"] != "learned_top_p":
        assert counts.max() <= 8  # k, and eos
    algorithm.rollout_buffer.add_episodes(batch, 0)
    algorithm._check_reproduction(batch)


def test_a_refresh_changes_the_mask_in_use_and_nothing_else_does(model_dir):
    algorithm = build(model_dir("gpt2"), cls=NLPO, policy=TOP_P)
    before = masks(algorithm)[0]
    shift(algorithm)
    assert torch.equal(masks(algorithm)[0], before), "the mask policy is the old one until it is refreshed"
    algorithm.policy.refresh_mask()
    assert not torch.equal(masks(algorithm)[0], before)


def test_refreshes_happen_at_their_iterations_only(model_dir):
    algorithm = build(model_dir("gpt2"), cls=NLPO, policy=TOP_P)
    model = algorithm.policy.mask_model
    seen = []
    collect = algorithm.collector.collect

    def watched(policy: Any, iteration: int) -> Any:
        seen.append(float(sum(p.abs().sum() for p in model.parameters())))
        return collect(policy, iteration)

    algorithm.collector.collect = watched
    algorithm.learn(64 * 5, log_interval=None)
    assert [a != b for a, b in itertools.pairwise(seen)] == [False, True, False, True]


def test_min_length_wins_over_eos_always_allowed(model_dir):
    algorithm = build(model_dir("gpt2"), cls=NLPO, policy={**TOP_P, "generation_kwargs": {"min_length": 3}})
    batch = algorithm.collector.collect(algorithm.policy, 0)
    allowed = dense_mask(batch.sequences)
    assert not allowed[:, :3, EOS].any() and allowed[:, 3:, EOS][batch.mask[:, 3:]].all()


def test_nlpo_needs_a_maskable_policy_and_sane_arguments(model_dir):
    with pytest.raises(ConfigError, match="maskable"):
        build(model_dir("gpt2"), cls=NLPO)
    with pytest.raises(ConfigError, match="learned_top_p"):
        build(model_dir("gpt2"), cls=NLPO, policy={"top_mask": 0.9, "mask_type": "learned_topp"})
    with pytest.raises(ConfigError, match="whole number"):
        build(model_dir("gpt2"), cls=NLPO, policy={"top_mask": 0.9, "mask_type": "topk"})
