"""Vectorised text environments."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from rl4lms.core.errors import LONGEST_LINE, RunError, UserError, message_of
from rl4lms.core.guard import guarded, name_of
from rl4lms.core.seeding import derive_seed
from rl4lms.core.signals import children_without_ctrl_c
from rl4lms.envs.text_generation.env import TextGenEnv
from rl4lms.rewards.guard import STEP_ERROR
from rl4lms.rewards.parallel import is_copyable
from rl4lms.tokenization.observation import SampleLike
from rl4lms.tokenization.text_task import TextTask


def make_vec_env(task: TextTask, *, n_envs: int, vocab_size: int, seed: int) -> VecEnv:
    """`n_envs` environments in this process, which share data, tokenizer and reward."""
    return DummyVecEnv([_factory(task, vocab_size, derive_seed(seed, "env", i)) for i in range(n_envs)])


def make_stepping_env(task: TextTask, *, n_envs: int, vocab_size: int, sample: SampleLike) -> VecEnv:
    """`n_envs` worker processes that step token by token. Each gets single samples instead of the whole pool.

    A reward function that must not be copied, because it has a model, stays in this process: the environments step
    without it, and `SteppedScorer` calls it.
    """
    small: Sequence[tuple[SampleLike, float]] = [(sample, 1.0)]
    sent = replace(task, samples=small)
    if not is_copyable(task.reward_function):
        sent = replace(sent, reward_function=None)
    try:
        with children_without_ctrl_c():
            return SubprocVecEnv([_factory(sent, vocab_size, i, _ReportingEnv) for i in range(n_envs)])
    except (EOFError, ConnectionError):  # the process has printed the reason
        name = name_of(task.reward_function)
        raise RunError(
            f"env.vec_env: subproc: a process ended before its first step; can reward {name} be sent to it?"
        ) from None


class _ReportingEnv(TextGenEnv):
    """An environment in a worker process. It reports an error in the step's info, because raising would end it."""

    def step(self, action: int) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        try:
            with guarded(f"reward {name_of(self.task.reward_function)}"):
                return super().step(action)
        except UserError as error:
            assert self._observation is not None
            return self._observation.to_dict(), 0.0, False, False, {STEP_ERROR: message_of(error, LONGEST_LINE)}


def _factory(task: TextTask, vocab_size: int, seed: int, env_class: type[TextGenEnv] = TextGenEnv) -> Any:
    arguments = {name: value for name, value in vars(task).items() if name != "pad_token_id"}
    return functools.partial(env_class, **arguments, vocab_size=vocab_size, seed=seed)
