"""Gradient checkpointing: the gradients are those of a whole forward, and fewer activations are kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from rl4lms.algorithms.grpo import GRPO
from rl4lms.algorithms.trpo import TRPO
from rl4lms.core.errors import ConfigError
from rl4lms.policies.recomputation import check_recomputes
from tests.algorithms.test_ppo import build
from tests.algorithms.test_trpo import EvenShare
from tests.conftest import CAUSAL, SEQ2SEQ

ADAPTERS = {"r": 4, "lora_alpha": 8.0, "target_modules": "all-linear"}


def built(directory: Any, family: str, recompute: bool, **policy: Any) -> Any:
    policy = {"dtype": "float64", "gradient_checkpointing": recompute, **policy}
    return build(directory, family, policy=policy, reward=EvenShare())


def gradients(algorithm: Any) -> dict[str, torch.Tensor]:
    """Of the first minibatch, which has several episodes with padding."""
    algorithm.collect_rollouts(algorithm.env, Silent(), algorithm.rollout_buffer, algorithm.n_steps)
    algorithm.accumulate_gradients(next(iter(algorithm.rollout_buffer.get(32))), 0.2)
    return {name: p.grad for name, p in algorithm.policy.named_parameters() if p.grad is not None}


class Silent:
    def __getattr__(self, _: str) -> Any:
        return lambda *args: True


CASES = [(family, {"value_model": "separate"}) for family in (*CAUSAL, *SEQ2SEQ)]
CASES += [("gpt2", {"value_model": "shared"}), ("t5", {"value_model": "shared"})]
CASES += [
    (family, {"value_model": kind, "lora": ADAPTERS}) for family in ("gpt2", "t5") for kind in ("separate", "shared")
]


@pytest.mark.parametrize(("family", "policy"), CASES)
def test_gradients_are_the_same(model_dir: Any, family: str, policy: dict[str, Any]) -> None:
    if "lora" in policy:
        pytest.importorskip("peft")
    whole, again = (gradients(built(model_dir(family), family, recompute, **policy)) for recompute in (False, True))
    assert whole.keys() == again.keys() and any(g.abs().max() > 1e-6 for g in whole.values())
    for name, gradient in whole.items():
        assert_close(again[name], gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5"])
def test_groups_that_share_prompts_too(model_dir: Any, family: str) -> None:
    """Without it a prompt's cache is shared by its group, through which no block may be run twice."""
    found = []
    for recompute in (False, True):
        policy = {"dtype": "float64", "gradient_checkpointing": recompute, "value_model": "none"}
        algorithm = build(
            model_dir(family), family, cls=GRPO, policy=policy, reward=EvenShare(), n_steps=None, batch_size=None,
            n_epochs=1, n_prompts=3, completions_per_prompt=3,
        )  # fmt: skip
        algorithm.learn(9, log_interval=None)
        found.append({name: p.grad for name, p in algorithm.policy.named_parameters() if p.grad is not None})
    assert any(g.abs().max() > 1e-6 for g in found[0].values())
    # Llama's norms are of float32 in transformers, which a shared prompt rounds otherwise.
    tolerance = 1e-6 if family == "llama" else 1e-12
    for name, gradient in found[0].items():
        assert_close(found[1][name], gradient, rtol=0, atol=tolerance)


def test_trpo_differentiates_twice(model_dir: Any) -> None:
    steps = []
    for recompute in (False, True):
        policy = {"dtype": "float64", "gradient_checkpointing": recompute}
        algorithm = build(model_dir("gpt2"), cls=TRPO, policy=policy, reward=EvenShare(), n_epochs=None)
        algorithm.learn(64, log_interval=None)
        steps.append({name: p.detach() for name, p in algorithm.policy.named_parameters()})
    for name, value in steps[0].items():
        assert_close(steps[1][name], value, rtol=0, atol=1e-9, msg=name)


def kept(algorithm: Any) -> int:
    """Bytes of the tensors that the forward of an update keeps for its backward pass, weights aside."""
    algorithm.collect_rollouts(algorithm.env, Silent(), algorithm.rollout_buffer, algorithm.n_steps)
    batch = next(iter(algorithm.rollout_buffer.get(32)))
    weights = {p.untyped_storage().data_ptr() for p in algorithm.policy.parameters()}
    seen: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if (at := tensor.untyped_storage().data_ptr()) not in weights:
            seen[at] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        loss = algorithm.loss(batch, 0.2)  # held, so that no storage is freed and used again
    assert loss[0].requires_grad
    return sum(seen.values())


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_less_is_kept(model_dir: Any, family: str) -> None:
    whole, again = (kept(built(model_dir(family), family, recompute)) for recompute in (False, True))
    assert again < 0.75 * whole, "of two blocks, one keeps all that it had"


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(ConfigError, match="gradient_checkpointing: model mine has no blocks that transformers can"):
        check_recomputes(torch.nn.Linear(2, 2), "mine")
