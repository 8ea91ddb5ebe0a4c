"""Vectorised text environments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from rl4lms.core.seeding import derive_seed
from rl4lms.envs.text_generation.env import TextGenEnv
from rl4lms.rewards.parallel import is_copyable
from rl4lms.tokenization.observation import SampleLike
from rl4lms.tokenization.text_task import TextTask


def make_vec_env(task: TextTask, *, n_envs: int, vocab_size: int, seed: int) -> VecEnv:
    """`n_envs` environments in this process; data, tokenizer and reward are shared, not copied."""
    return DummyVecEnv([_factory(task, vocab_size, derive_seed(seed, "env", i)) for i in range(n_envs)])


def make_stepping_env(task: TextTask, *, n_envs: int, vocab_size: int, sample: SampleLike) -> VecEnv:
    """`n_envs` worker processes that step token by token; each gets its samples one by one, never the pool.

    A reward function that is not to be copied (a model) stays here: the environments step without it, and
    `SteppedScorer` asks it.
    """
    small: Sequence[tuple[SampleLike, float]] = [(sample, 1.0)]
    sent = replace(task, samples=small)
    if not is_copyable(task.reward_function):
        sent = replace(sent, reward_function=None)
    return SubprocVecEnv([_factory(sent, vocab_size, i) for i in range(n_envs)])


def _factory(task: TextTask, vocab_size: int, seed: int) -> Any:
    def make() -> TextGenEnv:
        return TextGenEnv(
            task.tokenizer,
            task.reward_function,
            task.samples,
            max_episode_length=task.max_episode_length,
            priority_scale=task.priority_scale,
            max_prompt_length=task.max_prompt_length,
            terminate_on_eos=task.terminate_on_eos,
            context_start_token=task.context_start_token,
            prompt_truncation_side=task.prompt_truncation_side,
            vocab_size=vocab_size,
            seed=seed,
        )

    return make
