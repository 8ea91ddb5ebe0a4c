"""Decorators that give a class or function of your own an id, for YAML files and for `rl4lms.train`.

    @rl4lms.register.reward("brevity")
    def brevity(prompts, completions, **columns):
        return [1 / (1 + len(text.split())) for text in completions]

An id that is there already is replaced. In a YAML file a class or function of a module needs no registration: its id
may be "module:name".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rl4lms.core.registry import Registry
from rl4lms.core.tables import (
    AlgorithmRegistry,
    DataPoolRegistry,
    MetricRegistry,
    PolicyRegistry,
    PostProcessorRegistry,
    RewardFunctionRegistry,
)

Entry = TypeVar("Entry")
__all__ = ["algorithm", "data_pool", "metric", "policy", "post_processor", "reward"]


def reward(id: str) -> Callable[[Entry], Entry]:  # noqa: A002 - what YAML calls it
    """A `Reward`, a `BatchedReward`, or a function `f(prompts, completions, references, **columns) -> list of numbers`.

    The function is called once with the N finished texts of a rollout. prompts, completions: N texts; references: N
    lists of texts; columns: N values of each key of the samples' `meta_data`. It answers N finite numbers; anything
    else ends the run in one line (RunError).
    """
    return _adding(RewardFunctionRegistry.table, id)


def metric(id: str) -> Callable[[Entry], Entry]:  # noqa: A002
    """A `Metric`, or a function called as a reward is, with the N texts of a split.

    It answers a number for the whole set, a list of N numbers (their mean is the set's), or a dict of such by name.
    """
    return _adding(MetricRegistry.table, id)


def data_pool(id: str) -> Callable[[Entry], Entry]:  # noqa: A002
    """A `DataPool`: a class whose `prepare(split, **args)` makes the pool of "train", "val" and "test"."""
    return _adding(DataPoolRegistry.table, id)


def algorithm(id: str) -> Callable[[Entry], Entry]:  # noqa: A002
    """A class derived from `PPO`, `A2C`, ... or from stable-baselines3's OnPolicyAlgorithm."""
    return _adding(AlgorithmRegistry.table, id)


def policy(id: str) -> Callable[[Entry], Entry]:  # noqa: A002
    """A class derived from one of the policies (docs/howto/policy.md)."""
    return _adding(PolicyRegistry.table, id)


def post_processor(id: str) -> Callable[[Entry], Entry]:  # noqa: A002
    """A function(text) -> text, applied to generations before they are scored (`generation_kwargs`)."""
    return _adding(PostProcessorRegistry.table, id)


def _adding(table: Registry, name: str) -> Callable[[Entry], Entry]:
    def add(entry: Entry) -> Entry:
        table.add(name, entry)
        return entry

    return add
