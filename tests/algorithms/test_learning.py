"""Every algorithm learns, on a decoder and on an encoder-decoder (docs/numerics.md, line 28)."""

from __future__ import annotations

from typing import Any

import pytest

from rl4lms.algorithms.a2c import A2C
from rl4lms.algorithms.dapo import DAPO
from rl4lms.algorithms.dpo import DPO
from rl4lms.algorithms.grpo import CISPO, GRPO, GSPO, DrGRPO
from rl4lms.algorithms.nlpo import NLPO
from rl4lms.algorithms.ppo import PPO
from rl4lms.algorithms.raft import RAFT
from rl4lms.algorithms.reinforce import REINFORCE, RLOO, REINFORCEPlusPlus, ReMax
from rl4lms.algorithms.trpo import TRPO
from rl4lms.metrics.synthetic import increasing_numbers
from rl4lms.rewards.base import BatchedRewardFunction
from tests.algorithms.test_ppo import NO_PPO, build
from tests.algorithms.test_trpo import EvenShare

MASK = {"top_mask": 0.9, "mask_type": "learned_top_p", "min_tokens_to_keep": 5, "target_update_iterations": 10}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "ppo": {"cls": PPO, "n_steps": 128, "batch_size": 128, "n_epochs": 4, "learning_rate": 2e-3},
    "nlpo": {"cls": NLPO, "n_steps": 128, "batch_size": 128, "n_epochs": 4, "learning_rate": 2e-3, "policy": MASK},
    "a2c": {"cls": A2C, "n_steps": 32, "learning_rate": 2e-3, "normalize_advantage": True, **NO_PPO},
    "trpo": {
        "cls": TRPO,
        "n_steps": 128,
        "batch_size": 512,
        "target_kl": 0.1,
        "learning_rate": 2e-3,
        "n_epochs": None,
    },
}
GROUPS: dict[str, Any] = {
    "n_steps": None, "batch_size": None, "n_prompts": 16, "completions_per_prompt": 4, "n_epochs": 4,
    "learning_rate": 2e-3, "policy": {"value_model": "none"},
}  # fmt: skip
ALONE = {"n_prompts": 64, "completions_per_prompt": 1}
ALGORITHMS |= {
    "grpo": {**GROUPS, "cls": GRPO},
    "grpo with a learned mask": {**GROUPS, "cls": GRPO, "policy": {"value_model": "none", **MASK}},
    "dr_grpo": {**GROUPS, "cls": DrGRPO},
    "gspo": {**GROUPS, "cls": GSPO, "clip_range": 0.05, "clip_range_high": 0.05},
    "cispo": {**GROUPS, "cls": CISPO},
    "dapo": {**GROUPS, "cls": DAPO},
    "rloo": {**GROUPS, "cls": RLOO, "clip_range": 0.5},
    "reinforce": {**GROUPS, **ALONE, "cls": REINFORCE, "n_epochs": 1},
    "reinforce without baseline": {**GROUPS, **ALONE, "cls": REINFORCE, "n_epochs": 1, "baseline": "none"},
    "reinforce_pp": {**GROUPS, **ALONE, "cls": REINFORCEPlusPlus},
    "reinforce_pp with baseline": {**GROUPS, "cls": REINFORCEPlusPlus, "baseline": "mean"},
    # Its advantages are nearly all negative once the greedy response is right, so it takes larger steps.
    "remax": {**GROUPS, "cls": ReMax, "n_prompts": 8, "n_epochs": 1, "learning_rate": 8e-3},
    "raft": {**GROUPS, "cls": RAFT, "n_epochs": 2},
    "dpo": {**GROUPS, "cls": DPO, "n_epochs": 2},
}
MAX_STEPS = 40_000


class Increasing(BatchedRewardFunction):
    """The published `increasing_numbers` over the test vocabulary, whose words are w4 ... w63."""

    def __call__(self, prompt_texts: Any, gen_texts: Any, ref_texts: Any, dones: Any, meta_infos: Any = None) -> Any:
        return [increasing_numbers(text.replace("w", ""), 8) for text in gen_texts]


def rewards(algorithm: Any, until: float) -> list[float]:
    """Mean reward of each iteration, until one is above `until` or MAX_STEPS are done."""
    means: list[float] = []
    steps = 0
    while steps < MAX_STEPS and (not means or means[-1] <= until):
        algorithm.learn(algorithm.budget, log_interval=None, reset_num_timesteps=False)
        steps += algorithm.collector.numbers["rollout/n_sampled_tokens"]
        batch = algorithm.rollout_buffer.episodes
        means.append(float(batch.scores.sum(1)[batch.ended].mean()))
    return means


@pytest.mark.parametrize("family", ["gpt2", "t5"])
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.slow
def test_one_token(model_dir: Any, name: str, family: str) -> None:
    """ "Emit token 7": a share above 0.9 within 40,000 steps."""
    means = rewards(build(model_dir(family, scale=1.0), family, eos=False, **ALGORITHMS[name]), until=0.9)
    assert means[-1] > 0.9, f"{means[-1]:.3f} after {len(means)} iterations"


@pytest.mark.parametrize("family", ["gpt2", "t5", "bart"])
@pytest.mark.slow
def test_increasing_numbers(model_dir: Any, family: str) -> None:
    """The published synthetic task: how much of the text is a run of increasing numbers."""
    algorithm = build(model_dir(family, scale=1.0), family, eos=False, reward=Increasing(), **ALGORITHMS["ppo"])
    means = rewards(algorithm, until=0.55)
    assert sum(means[-5:]) / 5 > sum(means[:2]) / 2 + 0.15, f"{means[0]:.3f} -> {means[-1]:.3f}"


@pytest.mark.parametrize("family", ["gpt2", "t5"])
@pytest.mark.slow
def test_the_margin_of_offline_dpo_rises(model_dir: Any, family: str) -> None:
    """On pairs that the model at the start made: new ones in each iteration, so that it is no memory of them."""
    offline = {**GROUPS, "cls": DPO, "sampler": "reference", "n_epochs": 1}
    algorithm = build(model_dir(family, scale=1.0), family, eos=False, reward=EvenShare(), **offline)
    margins, accuracies = [], []
    for _ in range(40):
        algorithm.learn(algorithm.budget, log_interval=None, reset_num_timesteps=False)
        logged = algorithm.logger.name_to_value
        margins.append(logged["train/reward_margin"])
        accuracies.append(logged["train/reward_accuracy"])
    assert abs(margins[0]) < 1e-6 and min(margins[-5:]) > 0.3, margins
    assert sum(accuracies[-10:]) / 10 > 0.75, accuracies


@pytest.mark.slow
def test_single_episodes_are_told_apart(model_dir: Any) -> None:
    """The published `batch_size: 64` with episodes of 64 steps: a minibatch is one episode, and still it learns.

    Without values every token of an episode has one advantage, so that whitening it by itself would leave nothing. No
    text ends early, so that each token has its part in the score.
    """
    sizes = {"n_steps": 320, "batch_size": 64, "n_epochs": 2, "length": 64}
    reinforce = {"gae_lambda": 1.0, "gamma": 1.0, "vf_coef": 0.0, "learning_rate": 1e-3}
    whole = {"generation_kwargs": {"min_length": 64}}
    algorithm = build(model_dir("gpt2", scale=1.0), eos=False, reward=EvenShare(), policy=whole, **sizes, **reinforce)
    means = []
    for _ in range(14):
        algorithm.learn(1280, log_interval=None, reset_num_timesteps=False)
        means.append(float(algorithm.rollout_buffer.episodes.scores.sum(1).mean()))
    assert sum(means[-3:]) > sum(means[:3]) + 3 * 0.08, f"{means[0]:.3f} -> {means[-1]:.3f}"
