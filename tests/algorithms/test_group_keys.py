"""Every argument of an algorithm of groups changes what a run learns."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from rl4lms.config.arguments import ALGORITHM_ARGUMENTS, AlgorithmArguments, group_arguments
from rl4lms.config.reader import hints
from rl4lms.core.tables import AlgorithmRegistry
from tests.algorithms.test_group_rollouts import EvenPrompts
from tests.algorithms.test_groups import build
from tests.algorithms.test_ppo import weights

GROUPS = [name for name in ALGORITHM_ARGUMENTS if group_arguments(name)]
NO_EFFECT = set(hints(AlgorithmArguments)) - {"gradient_accumulation_steps"}  # as their sentences say
BASE: dict[str, Any] = {
    "learning_rate": 1e-3, "n_prompts": 4, "n_epochs": 2, "device": "cpu", "clip_range": 1e-5, "clip_range_high": 0.5,
}  # fmt: skip
CHANGED: dict[str, Any] = {
    "learning_rate": 2e-3, "n_prompts": 5, "n_tokens": 300, "completions_per_prompt": 3, "n_minibatches": 2,
    "n_epochs": 1, "ent_coef": 0.1, "max_grad_norm": 0.01, "gradient_accumulation_steps": 2, "clip_range": 0.5,
    "clip_range_high": 1e-5, "target_kl": 1e-9, "ratio_cap": 1.0, "n_rounds": 1, "overlong_tokens": 2,
    "overlong_penalty": 0.3, "beta": 0.5, "sampler": "reference", "baseline": "none",
}  # fmt: skip
OWN_BASE: dict[str, dict[str, Any]] = {
    "dapo": {"overlong_tokens": 6, "completions_per_prompt": 2},
    "reinforce_pp": {"baseline": "mean", "completions_per_prompt": 2},
    "dpo": {"completions_per_prompt": 4},
}


def learnt(name: str, directory: Any, **args: Any) -> torch.Tensor:
    """The weights after two iterations, in the second of which a policy is no longer its reference."""
    kind = ALGORITHM_ARGUMENTS[name]
    base = {key: value for key, value in BASE.items() if key in hints(kind)}
    given = dataclasses.asdict(kind(**{**base, **OWN_BASE.get(name, {}), **args}))
    given = {key: value for key, value in given.items() if key not in NO_EFFECT}
    algorithm = build(directory, cls=AlgorithmRegistry.get(name), reward=EvenPrompts(), kl=0.1, **given)
    algorithm.learn(algorithm.budget * 2, log_interval=None)
    return weights(algorithm)


@pytest.mark.slow
@pytest.mark.parametrize("name", GROUPS)
def test_every_key_changes_something(model_dir, name):
    base = learnt(name, model_dir("gpt2"))
    assert torch.equal(base, learnt(name, model_dir("gpt2")))
    for key in set(hints(ALGORITHM_ARGUMENTS[name])) - NO_EFFECT:
        assert not torch.equal(base, learnt(name, model_dir("gpt2"), **{key: CHANGED[key]})), key
