"""bfloat16 is the arithmetic; what learns, and what it is compared with, stays float32 (docs/numerics.md, line 6)."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from rl4lms.algorithms.nlpo import NLPO
from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError, RunError
from rl4lms.policies.precision import bfloat16
from rl4lms.policies.sequences import all_tokens
from rl4lms.rewards.base import BatchedRewardFunction
from tests.algorithms.test_nlpo import TOP_P
from tests.algorithms.test_ppo import build

ADAPTERS = {"r": 4, "lora_alpha": 8.0}
FULL, LORA, SHARED = {}, {"lora": ADAPTERS}, {"value_model": "shared"}


class EvenShare(BatchedRewardFunction):
    """The share of even words: every text has another."""

    def __call__(self, prompt_texts: Any, gen_texts: Any, ref_texts: Any, dones: Any, meta_infos: Any = None) -> Any:
        return [sum(int(w[1:]) % 2 == 0 for w in text.split() if w[1:].isdigit()) / 8 for text in gen_texts]


def adapted(kind: dict[str, Any]) -> dict[str, Any]:
    if "lora" in kind:
        pytest.importorskip("peft")
    return kind


def trainable(policy: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in policy.parameters() if p.requires_grad])


def change(directory: Any, family: str, batch: Any, **arguments: Any) -> torch.Tensor:
    """What 60 steps of AdamW on one rollout do to the weights that learn."""
    algorithm = build(directory, family, reward=EvenShare(), n_epochs=30, **arguments)
    if "lora" in arguments["policy"]:
        shift(algorithm.policy)
    algorithm.collector.collect = lambda *_: batch
    before = trainable(algorithm.policy)
    algorithm.learn(64, log_interval=None)
    return trainable(algorithm.policy) - before


def shift(policy: Any) -> None:
    """Adapters away from the nothing that they start as, where half of them has no gradient."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in policy.policy_model.named_parameters():
            if "lora_B" in name:
                p.copy_(0.1 * torch.randn(p.shape, generator=generator))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "kind"), [("gpt2", FULL), ("t5", FULL), ("gpt2", LORA), ("t5", SHARED)],
    ids=["gpt2", "t5", "gpt2-lora", "t5-shared"],
)  # fmt: skip
def test_small_steps_add_up_as_in_float32(model_dir: Any, family: str, kind: dict[str, Any]) -> None:
    """At the learning rates of the paper; bfloat16 weights, without masters, round most of such steps away."""
    directory, kind = model_dir(family), adapted(kind)
    first = build(directory, family, reward=EvenShare(), policy=kind)
    if "lora" in kind:
        shift(first.policy)
    batch = first.collector.collect(first.policy, 0)
    for rate in (5e-7, 2e-6, 1e-5):
        exact, half = (
            change(directory, family, batch, learning_rate=rate, policy={**kind, "dtype": dtype})
            for dtype in ("float32", "bfloat16")
        )
        moved = [float((x != 0).double().mean()) for x in (exact, half)]
        assert moved[0] > 0.3 and moved[1] == pytest.approx(moved[0], rel=0.02), rate
        assert torch.nn.functional.cosine_similarity(exact.double(), half.double(), dim=0) > 0.95, rate


@pytest.mark.parametrize("kind", [FULL, LORA, SHARED], ids=["full", "lora", "shared"])
@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_everything_kept_is_float32_and_kl_to_the_reference_is_0(
    model_dir: Any, family: str, kind: dict[str, Any]
) -> None:
    algorithm = build(model_dir(family), family, policy={**adapted(kind), "dtype": "bfloat16"})
    policy = algorithm.policy
    batch = algorithm.collector.collect(policy, 0)
    assert torch.equal(batch.raw_logprobs, batch.ref_logprobs)  # two passes of equal shape over equal weights
    algorithm.learn(64 * 2, log_interval=None)
    state = [x for entries in policy.optimizer.state.values() for x in entries.values()]
    kept = [*policy.parameters(), *state, *(getattr(batch, name) for name in ("logprobs", "ref_logprobs", "values"))]
    assert {x.dtype for x in kept} == {torch.float32}
    for part in algorithm.rollout_buffer.get(16):
        out = policy.evaluate_actions(part.observations, part.actions)
        assert {x.dtype for x in (*out, policy.action_logits(part.observations))} == {torch.float32}
        assert all(bool(x.isfinite().all()) for x in out)


@pytest.mark.parametrize("kind", [FULL, LORA, SHARED], ids=["full", "lora", "shared"])
def test_float64_is_everywhere(model_dir: Any, kind: dict[str, Any]) -> None:
    """The value head among it: it was float32, and values were the sums of rounded products."""
    policy = build(model_dir("gpt2"), "gpt2", policy={**adapted(kind), "dtype": "float64"}).policy
    assert {p.dtype for p in policy.parameters()} == {torch.float64}


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_every_product_of_the_policys_models_is_in_bfloat16(model_dir: Any, family: str) -> None:
    """Rollout, reference, values, mask policy and update alike; the value head alone is float32."""
    policy = {**TOP_P, "dtype": "bfloat16"}
    algorithm = build(model_dir(family), family, NLPO, policy=policy)
    seen: dict[str, set[torch.dtype]] = {}

    def note(name: str) -> Any:
        return lambda module, inputs, output: seen.setdefault(name, set()).add(output.dtype)

    for name, module in algorithm.policy.named_modules():
        if type(module).__name__ in ("Linear", "Conv1D"):
            module.register_forward_hook(note(name))
    algorithm.learn(64, log_interval=None)
    models = {name.partition(".")[0] for name in seen}
    assert models == {"policy_model", "reference_model", "value_trunk", "mask_model"}
    assert all(dtypes == {torch.bfloat16} for dtypes in seen.values()), seen


def test_values_of_rollout_and_update_are_the_same_numbers(model_dir: Any) -> None:
    for kind in ("separate", "shared"):
        algorithm = build(model_dir("gpt2"), policy={"dtype": "bfloat16", "value_model": kind}, n_epochs=4)
        algorithm.learn(64, log_interval=None)  # the value head starts at zero
        sequences = algorithm.collector.collect(algorithm.policy, 1).sequences
        view = all_tokens(sequences)
        values = algorithm.policy.evaluate_values(view)
        assert values.std() > 0
        assert_close(algorithm.policy.sequence_values(sequences)[view.rows, view.cols], values, rtol=0.02, atol=2e-3)
        assert algorithm.policy.value_head.weight.grad.dtype == torch.float32
        assert not torch.equal(values, values.bfloat16().float())


def test_a_frozen_weight_is_cast_once_a_block() -> None:
    """Autocast keeps the casts of weights that require a gradient; one of the others would be cast at every use."""
    layer = torch.nn.Linear(64, 64).requires_grad_(False)
    x = torch.randn(2, 64, dtype=torch.bfloat16)
    expected = torch.nn.functional.linear(x, layer.weight.bfloat16(), layer.bias.bfloat16())
    casts = {}
    for models in ((), (layer,)):
        with torch.profiler.profile() as profile, bfloat16("cpu", *models), torch.no_grad():
            outputs = [layer(x) for _ in range(5)]
        casts[len(models)] = sum(e.count for e in profile.key_averages() if e.key == "aten::_to_copy")
        assert all(torch.equal(y, expected) for y in outputs)
        assert not any(p.requires_grad for p in layer.parameters())
    assert casts == {0: 10, 1: 2}


def test_weights_are_cast_anew_after_they_changed(model_dir: Any) -> None:
    """No cast outlives its block: the rollout after an update is that of the new weights."""
    algorithm = build(model_dir("gpt2"), policy={"dtype": "bfloat16"}, learning_rate=0.1)
    before = algorithm.collector.collect(algorithm.policy, 0)
    algorithm.learn(64, log_interval=None)
    after, again = (algorithm.collector.collect(algorithm.policy, 0) for _ in range(2))
    assert not torch.equal(before.raw_logprobs[:1, :1], after.raw_logprobs[:1, :1])
    assert torch.equal(after.raw_logprobs, again.raw_logprobs)


@pytest.mark.parametrize("value_model", ["shared", "separate"])
def test_the_check_of_a_rollout_takes_the_tolerance_of_bfloat16(model_dir: Any, value_model: str) -> None:
    """docs/numerics.md, line 4: log-probabilities that differ by 0.01 pass in bfloat16 and not in float32."""
    for dtype, passes in (("bfloat16", True), ("float32", False)):
        algorithm = build(model_dir("gpt2"), policy={"dtype": dtype, "value_model": value_model})
        batch = algorithm.collector.collect(algorithm.policy, 0)
        algorithm.rollout_buffer.add_episodes(batch, 0)
        off = dataclasses.replace(batch, logprobs=batch.logprobs + 0.01)
        with nullcontext() if passes else pytest.raises(RunError, match="does not reproduce its own rollout"):
            algorithm._check_reproduction(off)


def test_float16_is_refused_with_its_reason(model_dir: Any) -> None:
    reason = r"alg\.policy\.args\.dtype: float16, expected bfloat16 or float32: small gradients are 0"
    with pytest.raises(ConfigError, match=reason) as error:
        build(model_dir("gpt2"), policy={"dtype": "float16"})
    assert "\n" not in str(error.value)
    config = {
        "tokenizer": {"model_name": "m"},
        "reward_fn": {"id": "meteor"},
        "datapool": {"id": "imdb"},
        "env": {"args": {"max_prompt_length": 8, "max_episode_length": 8}},
        "alg": {
            "id": "ppo",
            "kl_div": {"coeff": 0.1},
            "policy": {
                "id": "causal_lm_actor_critic_policy",
                "args": {"model_name": "m", "dtype": "float16", "generation_kwargs": {"do_sample": True}},
            },
        },
        "train_evaluation": {"eval_batch_size": 1, "n_iters": 1, "eval_every": 1},
    }
    with pytest.raises(ConfigError, match=reason):
        RunConfig.from_dict(config)
