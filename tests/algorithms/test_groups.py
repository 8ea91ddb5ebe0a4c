"""Whole runs of the algorithms of groups: GRPO and its family, REINFORCE and its relatives, RAFT and DPO."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from rl4lms.algorithms.a2c import A2C
from rl4lms.algorithms.dapo import DAPO
from rl4lms.algorithms.dpo import DPO
from rl4lms.algorithms.grpo import CISPO, GRPO, GSPO, DrGRPO
from rl4lms.algorithms.ppo import PPO
from rl4lms.algorithms.raft import RAFT
from rl4lms.algorithms.reinforce import REINFORCE, RLOO, REINFORCEPlusPlus, ReMax
from rl4lms.core.errors import ConfigError
from rl4lms.rewards.base import BatchedRewardFunction
from tests.algorithms.test_ppo import NO_PPO, weights
from tests.algorithms.test_ppo import build as build_on_policy
from tests.algorithms.test_trpo import EvenShare

FAMILIES = ["gpt2", "t5"]
SINGLE_NORMS = ("t5", "llama")  # their RMS norm computes in float32 in a float64 model, too
STOPS = list(range(2, 64, 12))  # so many that texts have all lengths
CLASSES = {
    "grpo": GRPO, "dr_grpo": DrGRPO, "gspo": GSPO, "cispo": CISPO, "dapo": DAPO, "rloo": RLOO, "reinforce": REINFORCE,
    "reinforce_pp": REINFORCEPlusPlus, "remax": ReMax, "raft": RAFT, "dpo": DPO,
}  # fmt: skip


class Constant(BatchedRewardFunction):
    """The same score for every text: 0.1, which is not exact in binary."""

    def __call__(self, prompt_texts, gen_texts, ref_texts, dones, meta_infos=None):
        return [0.1 for _ in gen_texts]


def build(directory: Any, family: str = "gpt2", cls: Any = GRPO, policy: dict | None = None, **args: Any) -> Any:
    """An algorithm on 4 prompts with 4 completions each; REINFORCE and its relatives have 16 prompts. Ragged."""
    policy = {"value_model": "none", **(policy or {})}
    policy["generation_kwargs"] = {"eos_token_id": STOPS, **policy.get("generation_kwargs", {})}
    alone = cls in (REINFORCE, REINFORCEPlusPlus, ReMax)
    sizes = {"n_prompts": 16, "completions_per_prompt": 1} if alone else {"n_prompts": 4, "completions_per_prompt": 4}
    args = {
        **sizes,
        "reward": EvenShare(),
        "learning_rate": 1e-3,
        "n_steps": None,
        "batch_size": None,
        "n_epochs": 1,
        **args,
    }
    return build_on_policy(directory, family, cls, policy=policy, **args)


def filled(algorithm: Any, iteration: int = 0) -> Any:
    """The algorithm with a rollout in its buffer, as `learn` leaves it."""
    batch = algorithm.collector.collect(algorithm.policy, iteration)
    algorithm.rollout_buffer.add_episodes(algorithm.select(batch), iteration)
    algorithm.clip = (0.2, 0.2)
    return algorithm


def whole(algorithm: Any) -> Any:
    """All of the buffer as one minibatch, in the same order for every algorithm."""
    buffer = algorithm.rollout_buffer
    n, buffer.n_minibatches, buffer._epoch = buffer.n_minibatches, 1, 0
    (batch,) = buffer.get(None)
    buffer.n_minibatches = n
    return batch


def gradient(algorithm: Any, batch: Any) -> torch.Tensor:
    algorithm.accumulate(batch, algorithm.loss)
    return torch.cat([p.grad.flatten() for p in algorithm.policy.parameters() if p.grad is not None])


def double(directory: Any, cls: Any, family: str = "gpt2", **args: Any) -> Any:
    return filled(build(directory, family, cls, {"dtype": "float64"}, **args))


def moved(algorithm: Any, scale: float = 0.02, seed: int = 1) -> Any:
    """The algorithm with other weights than those that sampled, so that ratios are not 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in algorithm.policy.policy_model.parameters():
            p.add_(scale * torch.randn(p.shape, generator=generator).to(p))
    return algorithm


@pytest.mark.parametrize("name", CLASSES)
def test_micro_batches_add_up(model_dir, name):
    """docs/numerics.md, lines 14 and 32: a step in one part, and in parts of whole groups."""
    algorithm = moved(double(model_dir("gpt2"), CLASSES[name], kl=0.1))
    batch = whole(algorithm)
    one = gradient(algorithm, batch)
    algorithm.accumulate(batch, algorithm.loss, 3)
    parts = torch.cat([p.grad.flatten() for p in algorithm.policy.parameters() if p.grad is not None])
    assert one.abs().max() > 1e-6
    assert_close(one, parts, rtol=0, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", CLASSES)
def test_an_iteration_moves_the_weights(model_dir, name, family):
    algorithm = build(model_dir(family), family, CLASSES[name], kl=0.05, n_minibatches=2, n_epochs=2)
    before = weights(algorithm)
    algorithm.learn(algorithm.budget, log_interval=None)
    assert algorithm.num_timesteps == algorithm.budget and algorithm.iteration == 1
    assert (weights(algorithm) != before).any() and weights(algorithm).isfinite().all()


def test_a_critic_is_refused(model_dir):
    with pytest.raises(ConfigError, match="value_model: none"):
        build(model_dir("gpt2"), policy={"value_model": "shared"})


@pytest.mark.parametrize("cls", [PPO, A2C])
def test_a_missing_critic_is_refused(model_dir, cls):
    """A class with advantages of its own over PPO's loss may say that it needs none."""
    arguments = NO_PPO if cls is A2C else {}
    with pytest.raises(ConfigError, match=rf"alg\.policy\.args\.value_model: {cls.__name__} needs a critic"):
        build_on_policy(model_dir("gpt2"), cls=cls, policy={"value_model": "none"}, **arguments)
    free = type("Free", (cls,), {"critic": None})
    assert not build_on_policy(
        model_dir("gpt2"), cls=free, policy={"value_model": "none"}, **arguments
    ).policy.has_critic


@pytest.mark.parametrize("key", ["n_steps", "gamma", "gae_lambda", "vf_coef", "batch_size", "normalize_advantage"])
@pytest.mark.parametrize("cls", [GRPO, type("Own", (GRPO,), {}), REINFORCE])
def test_arguments_of_a_critic_are_refused_through_the_api(model_dir, cls, key):
    with pytest.raises(ConfigError, match=rf"^alg\.args\.{key}: {cls.__name__} .*; remove it\.$"):
        build(model_dir("gpt2"), cls=cls, **{key: 1})


def test_there_are_no_parameters_for_values(model_dir):
    algorithm = build(model_dir("gpt2"))
    names = [name for name, _ in algorithm.policy.named_parameters()]
    assert not [name for name in names if name.startswith("value_")]


@pytest.mark.parametrize("name", CLASSES)
def test_the_budget_is_in_episodes(model_dir, name):
    """Two iterations are twice the episodes, however long these are; schedules see them so."""
    algorithm = build(model_dir("gpt2"), cls=CLASSES[name], learning_rate=lambda progress: progress * 1e-3)
    seen = []
    train = algorithm.train
    algorithm.train = lambda: (train(), seen.append(algorithm.policy.optimizer.param_groups[0]["lr"]))
    algorithm.learn(2 * 16, log_interval=None)
    assert algorithm.budget == 16 and algorithm.iteration == 2
    assert seen == [1e-3, 0.5e-3]


@pytest.mark.parametrize(
    ("name", "expected"), [("grpo", (0.2, 0.2)), ("gspo", (3e-4, 4e-4)), ("dapo", (0.2, 0.28)), ("cispo", (1.0, 4.0))]
)
def test_each_has_its_clip_ranges(model_dir, name, expected):
    algorithm = build(model_dir("gpt2"), cls=CLASSES[name])
    algorithm.learn(algorithm.budget, log_interval=None)
    assert algorithm.clip == expected
    logged = algorithm.logger.name_to_value
    assert (logged["train/clip_range"], logged["train/clip_range_high"]) == expected


def test_target_kl_ends_the_passes(model_dir):
    steps = []
    for target_kl in (None, 1e-4):
        algorithm = build(model_dir("gpt2"), n_epochs=4, learning_rate=1e-2, max_grad_norm=None)
        algorithm.target_kl = target_kl
        step = algorithm.policy.optimizer.step
        done = []
        algorithm.policy.optimizer.step = lambda step=step, done=done: (done.append(1), step())
        algorithm.learn(algorithm.budget, log_interval=None)
        steps.append(len(done))
    assert steps == [4, 1]


def test_groups_without_pairs_leave_the_weights_alone(model_dir):
    """DPO on a reward that cannot tell texts apart takes no step."""
    algorithm = build(model_dir("gpt2"), cls=DPO, reward=Constant())
    before = weights(algorithm)
    algorithm.learn(algorithm.budget, log_interval=None)
    assert torch.equal(weights(algorithm), before)


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("grpo", {"clip_range": 0.0}, r"alg\.args\.clip_range: expected a number above 0, found 0\.0"),
        ("grpo", {"n_prompts": 0}, r"alg\.args\.n_prompts: expected a number above 0, found 0"),
        ("grpo", {"clip_range": 0.2, "clip_range_high": 0.1}, r"alg\.args\.clip_range_high: 0\.1, expected at least"),
        ("gspo", {"clip_range": 0.2}, r"alg\.args\.clip_range_high: 0\.0004, expected at least clip_range 0\.2"),
        ("grpo", {"completions_per_prompt": 1}, r"alg\.args\.completions_per_prompt: 1, expected at least 2"),
        ("dpo", {"completions_per_prompt": 1}, r"alg\.args\.completions_per_prompt: 1, expected at least 2"),
        ("reinforce", {"n_prompts": 1}, r"alg\.args\.n_prompts: 1 text a rollout, expected at least 2"),
        ("rloo", {"target_kl": -1.0}, r"alg\.args\.target_kl: expected a number above 0"),
        ("cispo", {"ratio_cap": 0.0}, r"alg\.args\.ratio_cap: expected a number above 0"),
        ("dpo", {"beta": 0.0}, r"alg\.args\.beta: expected a number above 0"),
        ("dpo", {"sampler": "start"}, r'alg\.args\.sampler: unknown sampler "start"'),
        ("reinforce", {"baseline": "mean"}, r'alg\.args\.baseline: unknown baseline "mean"'),
        ("reinforce_pp", {"baseline": "mean"}, r"alg\.args\.completions_per_prompt: 1, expected at least 2"),
    ],
)
def test_wrong_arguments_are_refused_through_the_api(model_dir, name, args, expected):
    with pytest.raises(ConfigError, match=expected):
        build(model_dir("gpt2"), cls=CLASSES[name], **args)


def test_rewards_of_groups_are_not_whitened(model_dir):
    algorithm = build(model_dir("gpt2"))
    collector = algorithm.collector
    with pytest.raises(ConfigError, match=r"alg\.kl_div\.norm_reward: not used by an algorithm without a critic"):
        algorithm.make_collector(collector.task, collector.scorer, collector.kl_controller, True)
