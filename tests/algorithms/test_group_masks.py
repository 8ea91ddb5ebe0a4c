"""A learned mask under an algorithm of groups: NLPO without a critic (docs/numerics.md, lines 4, 20 and 31)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from rl4lms.algorithms.grpo import GRPO
from rl4lms.algorithms.raft import RAFT
from rl4lms.numerics.kl import kl_k3
from tests.algorithms.test_groups import FAMILIES, build, filled, moved, whole
from tests.algorithms.test_ppo import weights
from tests.conftest import EOS, VOCAB, dense_mask

MASK = {"top_mask": 0.5, "min_tokens_to_keep": 2, "target_update_iterations": 2, "mask_type": "learned_top_p"}


def masked(directory: Any, family: str = "gpt2", cls: Any = GRPO, **args: Any) -> Any:
    """Its mask policy is not the policy."""
    return moved(build(directory, family, cls, MASK, **args), 0.1)


def own_logprobs(policy: Any, batch: Any) -> torch.Tensor:
    """(B, T) log-probabilities of the model itself, by one forward for each text."""
    out = torch.zeros(batch.mask.shape)
    for row in range(len(batch.texts)):
        one = batch.sequences.rows(torch.tensor([row]))
        n = int(one.response_mask.sum())
        logits = policy.scorer.logits(policy.policy_model, one)[0, :n]
        out[row, :n] = torch.log_softmax(logits, -1)[torch.arange(n), one.response_ids[0, :n]].detach()
    return out


@pytest.mark.parametrize("family", [*FAMILIES, "llama"])
def test_sampled_tokens_are_inside_the_mask_and_the_ratio_is_one(model_dir, family):
    algorithm = filled(masked(model_dir(family), family))
    batch = algorithm.rollout_buffer.episodes
    allowed = dense_mask(batch.sequences)
    assert allowed.gather(-1, batch.sequences.response_ids.unsqueeze(-1)).squeeze(-1)[batch.mask].all()
    assert allowed[batch.mask].sum(-1).float().mean() < VOCAB * 0.6 and allowed[batch.mask][:, EOS].all()
    algorithm._check_reproduction(batch)
    minibatch = whole(algorithm)
    output = algorithm.policy.evaluate_actions(minibatch.observations, minibatch.actions)
    assert_close(output.log_prob, minibatch.old_log_prob, rtol=1e-4, atol=1e-4)
    numbers = algorithm.accumulate(minibatch, algorithm.loss)
    assert numbers["clip_fraction"] == 0 and numbers["approx_kl"] == pytest.approx(0, abs=1e-6)


def test_refreshes_happen_at_their_iterations_only(model_dir):
    algorithm = build(model_dir("gpt2"), policy=MASK)
    seen = []
    collect = algorithm.collector.collect

    def watched(policy: Any, iteration: int) -> Any:
        seen.append(float(sum(p.abs().sum() for p in policy.mask_model.parameters())))
        return collect(policy, iteration)

    algorithm.collector.collect = watched
    algorithm.learn(algorithm.budget * 5, log_interval=None)
    assert [a != b for a, b in itertools.pairwise(seen)] == [False, True, False, True]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_kl_is_that_of_the_policies_without_masks(model_dir, family):
    """In the log of the rollout and in the loss."""
    algorithm = filled(masked(model_dir(family), family, kl=0.3))
    batch, mask = algorithm.rollout_buffer.episodes, algorithm.rollout_buffer.episodes.mask
    before = own_logprobs(algorithm.policy, batch)
    assert_close(batch.raw_logprobs[mask], before[mask], rtol=1e-4, atol=1e-4)
    assert (batch.logprobs - before)[mask].abs().max() > 0.1, "the mask takes probability away"
    moved(algorithm, seed=2)
    numbers = algorithm.accumulate(whole(algorithm), algorithm.loss)
    k3 = kl_k3(own_logprobs(algorithm.policy, batch), batch.ref_logprobs)
    expected = (torch.where(mask, k3, 0.0).sum(1) / mask.sum(1)).mean()
    assert numbers["kl_loss"] == pytest.approx(float(expected), rel=1e-4)
    assert numbers["loss"] == pytest.approx(numbers["policy_gradient_loss"] + 0.3 * numbers["kl_loss"], abs=1e-6)


def test_supervised_steps_are_those_of_the_model_itself(model_dir):
    algorithm = filled(masked(model_dir("gpt2"), cls=RAFT))
    batch = algorithm.rollout_buffer.episodes
    expected = -float(own_logprobs(algorithm.policy, batch)[batch.mask].mean())
    assert algorithm.accumulate(whole(algorithm), algorithm.loss)["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_mask_of_everything_is_no_mask_bit_for_bit(model_dir):
    runs = []
    for mask in ({}, {**MASK, "top_mask": 1.0}):
        algorithm = build(model_dir("gpt2"), policy=mask)
        algorithm.learn(algorithm.budget * 2, log_interval=None)
        runs.append(weights(algorithm))
    assert torch.equal(*runs)
