"""What shipped ids take: signatures of pools, rewards and metrics; the argument classes of algorithms and policies."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

from rl4lms.config.arguments import ALGORITHM_ARGUMENTS, POLICY_ARGUMENTS, SCHEDULE
from rl4lms.config.reader import Count, describe, hints, read
from rl4lms.config.signatures import made_by, read_arguments, signature_of
from rl4lms.core.errors import ConfigError
from rl4lms.core.registry import Registry
from rl4lms.core.tables import (
    AlgorithmRegistry,
    DataPoolRegistry,
    MetricRegistry,
    PolicyRegistry,
    RewardFunctionRegistry,
)

COMPONENTS = [
    (r.table, name) for r in (DataPoolRegistry, RewardFunctionRegistry, MetricRegistry) for name in r.table.shipped()
]


class Mine:
    """A user's reward, as RL4LMs' users write them."""

    def __init__(self, weight: float, words: int = 3, accelerator: Any = None) -> None: ...


class Open:
    def __init__(self, weight, **others) -> None: ...


class Pool:
    @classmethod
    def prepare(cls, split: str, path: str, size: Unknown = 1): ...  # noqa: F821 - known to a type checker only


def refused(table: Registry, name: str, args: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as error:
        read_arguments(table, name, args, "reward_fn.args", "run.yml")
    return str(error.value)


@pytest.mark.parametrize(("table", "name"), COMPONENTS, ids=lambda value: getattr(value, "kind", value))
def test_every_shipped_id_says_what_it_takes(table: Registry, name: str) -> None:
    """Nothing is open, and every default is a value of the kind that its argument has."""
    signature = signature_of(made_by(table.load(name)))
    assert not signature.open
    assert all(describe(kind) != "a value" for kind in signature.kinds.values())
    for key, value in signature.defaults.items():
        if value is not ...:
            assert read(signature.kinds[key], value, key, name) is not ...


def test_names_of_a_users_class_are_checked_and_its_values_are_its_own() -> None:
    table = Registry("reward function")
    table.add("mine", Mine)
    table.add("open", Open)
    table.add("pool", Pool)
    table.add("function", lambda weight=1: None)
    table.add("none", object)
    assert read_arguments(table, "mine", {"weight": "heavy"}, "", "") == {"weight": "heavy"}
    assert refused(table, "mine", {"weight": 1, "word": 2}).startswith(
        'run.yml: reward_fn.args: unknown key "word". Did you mean "words"? Known: weight, words.'
    )
    assert refused(table, "mine", {}).startswith("run.yml: reward_fn.args.weight: missing; expected")
    assert read_arguments(table, "open", {"weight": 1, "anything": 2}, "", "") == {"weight": 1, "anything": 2}
    assert read_arguments(table, "pool", {"path": "x", "size": 2}, "", "") == {"path": "x", "size": 2}
    assert 'unknown key "split"' in refused(table, "pool", {"split": "train", "path": "x"})
    assert read_arguments(table, "function", {"weight": 2}, "", "") == {"weight": 2}
    assert 'unknown key "weight"' in refused(table, "none", {"weight": 2})


def test_arguments_that_are_passed_on_are_those_of_the_class_that_takes_them() -> None:
    table = RewardFunctionRegistry.table
    assert read_arguments(table, "rouge_l_max", {"length_limit": 3}, "", "") == {"length_limit": 3}
    assert "expected an integer >= 1" in refused(table, "rouge_l_max", {"length_limit": 0})
    assert signature_of(table.load("sacre_bleu")).kinds["max_ngram_order"].__origin__ is int
    assert describe(signature_of(table.load("sacre_bleu")).kinds["max_ngram_order"]) == describe(Count)


def test_no_component_imports_a_model_library_to_say_what_it_takes() -> None:
    program = (
        "import sys; from rl4lms.config.keys import tables; tables();"
        "sys.exit(bool({'torch', 'transformers', 'datasets', 'evaluate', 'stable_baselines3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.slow
def test_policies_and_algorithms_take_what_is_tabled() -> None:
    ours = {"policy", "env", "observation_space", "action_space", "lr_schedule", "use_sde", "sde_sample_freq"}
    for name, kind in ALGORITHM_ARGUMENTS.items():
        cls = AlgorithmRegistry.get(name)
        taken = {p for c in cls.__mro__ for p in inspect.signature(c.__init__).parameters}
        assert set(hints(kind)) - {"minibatch", "importance_cap", *SCHEDULE} <= taken - ours, name
        for field, default in ((f, inspect.signature(cls.__init__).parameters.get(f)) for f in hints(kind)):
            if default is not None:
                assert default.default == getattr(kind, field), field
    for name, kind in POLICY_ARGUMENTS.items():
        cls = PolicyRegistry.get(name)
        taken = {p for c in cls.__mro__ for p in inspect.signature(c.__init__).parameters}
        assert set(hints(kind)) <= taken, name
