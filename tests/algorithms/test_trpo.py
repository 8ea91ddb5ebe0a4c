"""docs/numerics.md, line 26: the trust region on real model classes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from rl4lms.algorithms.trpo import TRPO
from rl4lms.core.errors import ConfigError
from rl4lms.rewards.base import BatchedRewardFunction
from tests.algorithms.test_ppo import build

ARGS = {"n_epochs": None, "batch_size": 32, "n_critic_updates": 2}


class EvenShare(BatchedRewardFunction):
    """The share of words with an even number: every random text has some signal."""

    def __call__(self, prompt_texts, gen_texts, ref_texts, dones, meta_infos=None):
        return [sum(w[-1] in "02468" for w in t.split()) / max(len(t.split()), 1) for t in gen_texts]


def filled(model_dir: Any, family: str, **kwargs: Any) -> tuple[Any, list]:
    algorithm = build(model_dir(family), family, cls=TRPO, reward=EvenShare(), **{**ARGS, **kwargs})
    algorithm.rollout_buffer.add_episodes(algorithm.collector.collect(algorithm.policy, 0), 0)
    (batch,) = algorithm.rollout_buffer.get(None)
    return algorithm, batch.split(2)


def parameters(algorithm: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in algorithm.policy_parameters])


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_a_step_stays_in_the_trust_region_and_improves(model_dir, family):
    algorithm, parts = filled(model_dir, family, target_kl=0.01)
    before = parameters(algorithm).clone()
    with torch.no_grad():
        old = [torch.log_softmax(algorithm.policy.action_logits(p.observations), -1) for p in parts]
    objective = algorithm._objective(parts)
    assert algorithm.policy_step(parts)
    assert not torch.equal(before, parameters(algorithm))
    with torch.no_grad():
        kl = sum(float(algorithm._kl(p, o)) for p, o in zip(parts, old, strict=True))
    assert 0 < kl <= 0.01
    assert algorithm._objective(parts) > objective


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_a_rejected_step_restores_bit_for_bit(model_dir, family):
    algorithm, parts = filled(model_dir, family)
    algorithm.target_kl = 1e-30  # no step that moves anything is so small
    before = parameters(algorithm).clone()
    assert not algorithm.policy_step(parts)
    assert torch.equal(before, parameters(algorithm))


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_fisher_vector_product_is_symmetric_positive_and_independent_of_the_split(model_dir, family):
    algorithm, parts = filled(model_dir, family, policy={"generation_kwargs": {"top_k": 10}})
    (batch,) = algorithm.rollout_buffer.get(None)
    with torch.no_grad():
        old = [torch.log_softmax(algorithm.policy.action_logits(p.observations), -1) for p in parts]
        whole = [torch.log_softmax(algorithm.policy.action_logits(batch.observations), -1)]
    g = torch.Generator().manual_seed(0)
    n = parameters(algorithm).numel()
    u, v = (torch.randn(n, generator=g) / n**0.5 for _ in range(2))
    fu, fv = (algorithm.fisher_product(parts, old)(x) for x in (u, v))
    assert torch.isfinite(fu).all()
    assert float(u @ fv) == pytest.approx(float(v @ fu), rel=1e-3, abs=1e-5)
    assert float(u @ fu) > 0
    assert_close(algorithm.fisher_product([batch], whole)(u), fu, rtol=1e-3, atol=1e-5)


def test_a_shared_trunk_is_refused(model_dir):
    with pytest.raises(ConfigError, match="separate"):
        build(model_dir("gpt2"), cls=TRPO, policy={"value_model": "shared"}, **ARGS)


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_a_whole_update_runs(model_dir, family):
    algorithm = build(model_dir(family), family, cls=TRPO, **ARGS)
    critic = torch.cat([p.detach().flatten() for p in algorithm.policy.value_trunk.parameters()]).clone()
    algorithm.learn(64 * 2, log_interval=None)
    after = torch.cat([p.detach().flatten() for p in algorithm.policy.value_trunk.parameters()])
    assert not torch.equal(critic, after)
    assert algorithm.logger.name_to_value["train/is_line_search_success"] in (0.0, 1.0)
