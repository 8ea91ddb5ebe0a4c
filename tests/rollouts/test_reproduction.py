"""Two policies, one measured (docs/numerics.md, lines 4, 13 and 29)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from rl4lms.core.errors import RunError
from rl4lms.rollouts.episodes import EpisodeBatch
from rl4lms.rollouts.reproduction import check_reproduction
from tests.algorithms.test_ppo import build


def collected(model_dir: Any, change: Any = None, **policy: Any) -> tuple[Any, EpisodeBatch]:
    """A policy, changed by `change`, and a rollout of it."""
    algorithm = build(model_dir("gpt2"), policy={"generation_kwargs": {"temperature": 1.5}, **policy})
    if change is not None:
        with torch.no_grad():
            change(algorithm.policy)
    return algorithm.policy, algorithm.collector.collect(algorithm.policy, 0)


def shifted(batch: EpisodeBatch, by: float) -> EpisodeBatch:
    """The log-probabilities that the update would call old are off."""
    return dataclasses.replace(batch, logprobs=torch.where(batch.mask, batch.logprobs + by, 0.0))


def failure(policy: Any, batch: EpisodeBatch) -> str:
    with pytest.raises(RunError, match="iteration 3: the policy does not reproduce its own rollout") as error:
        check_reproduction(policy, batch, 3)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_our_own_decoder_samples_what_the_update_scores(model_dir: Any) -> None:
    policy, batch = collected(model_dir)
    numbers, notice = check_reproduction(policy, batch, 0)
    assert torch.equal(batch.sampler_logprobs, batch.logprobs) and not notice
    assert numbers["rollout/sampler_gap_max"] < 1e-5
    assert numbers["rollout/sampler_ess"] == pytest.approx(1, abs=1e-6)


def test_half_precision_is_held_against_the_sampler(model_dir: Any) -> None:
    """Of every token; a planted noise is reported, then said, then refused."""
    policy, batch = collected(model_dir, dtype="bfloat16")
    sampled = batch.sampler_logprobs
    gap = (batch.logprobs - sampled)[batch.mask].abs()
    assert 0 < float(gap.mean()) < 0.02, "two roundings"
    noise = torch.randn(sampled.shape, generator=torch.Generator().manual_seed(0))
    seen = []
    for scale, says in ((0.0, False), (0.08, True)):
        noisy = dataclasses.replace(batch, sampler_logprobs=torch.where(batch.mask, sampled + scale * noise, 0.0))
        numbers, notice = check_reproduction(policy, noisy, 0)
        assert bool(notice) is says
        seen.append(numbers)
    assert seen[0]["rollout/sampler_gap_mean"] == pytest.approx(float(gap.mean()), rel=1e-4)
    assert (
        seen[1]["rollout/sampler_gap_mean"] > 0.03 and seen[1]["rollout/sampler_ess"] < seen[0]["rollout/sampler_ess"]
    )
    assert seen[1]["rollout/sampler_ratio_p1"] < 0.9 and seen[1]["rollout/sampler_ratio_p99"] > 1.1
    assert "differ on average" in failure(policy, shifted(batch, 0.5))


def test_what_is_measured_is_logged_each_iteration(model_dir: Any) -> None:
    algorithm, lines = build(model_dir("gpt2")), []
    algorithm.tracker = type("Lines", (), {"log_rollout": lambda self, k, info: lines.append(info)})()
    algorithm.learn(64 * 2, log_interval=None)
    names = {f"rollout/sampler_{name}" for name in ("gap_mean", "gap_max", "ratio_p1", "ratio_p99", "ess")}
    assert len(lines) == 2 and all(names <= set(line) for line in lines)


def test_large_values_are_no_false_alarm(model_dir: Any) -> None:
    """A reward of 1e5 gives values of that size, which two passes round apart by more than 1e-4."""

    def enlarge(policy: Any) -> None:
        generator = torch.Generator().manual_seed(0)
        policy.value_head.weight.copy_(1e5 * torch.randn(policy.value_head.weight.shape, generator=generator))

    policy, batch = collected(model_dir, enlarge)
    assert float(batch.values.abs().max()) > 1e5
    check_reproduction(policy, batch, 0)
    wrong = dataclasses.replace(batch, values=batch.values * 1.001)
    assert "log-probabilities or values differ" in failure(policy, wrong)


def not_finite(policy: Any) -> None:
    policy.policy_model.transformer.wte.weight[5, 0] = torch.nan


def exploded(policy: Any) -> None:
    policy.policy_model.transformer.ln_f.weight.mul_(1e5)


def random(policy: Any) -> None:
    layer = policy.policy_model.transformer.h[0].mlp
    layer.register_forward_hook(lambda module, inputs, out: out + 0.01 * torch.randn_like(out))


def mixed(policy: Any) -> None:
    layer = policy.policy_model.transformer.h[0].mlp
    layer.register_forward_hook(lambda module, inputs, out: out + out.mean(0, keepdim=True))


def cached_apart(policy: Any) -> None:
    """Decoding step by step goes another way than a pass over the whole text."""
    layer = policy.policy_model.transformer.h[0].mlp
    layer.register_forward_hook(lambda module, inputs, out: out * 1.1 if out.shape[1] == 1 else out)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (not_finite, "Weights are not finite: the learning rate is too high"),
        (exploded, "Logits reach .*: the learning rate is too high"),
        (random, "a layer is random"),
        (mixed, "depends on the batch, or padding is seen"),
        (cached_apart, "Decoding with a cache and one pass over the whole text disagree"),
    ],
)
def test_the_line_names_the_likely_cause(model_dir: Any, change: Any, cause: str) -> None:
    policy, batch = collected(model_dir, change)
    with pytest.raises(RunError, match=cause):
        check_reproduction(policy, shifted(batch, 1.0) if change is exploded else batch, 0)


def test_half_precision_is_named_where_nothing_else_is(model_dir: Any) -> None:
    policy, batch = collected(model_dir, dtype="bfloat16")
    assert "dtype: float32" in failure(policy, shifted(batch, 0.5))
