"""The tables of argument names agree with the classes that take them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from rl4lms.config.arguments import (
    ALGORITHM_ARGUMENTS,
    METRIC_ARGUMENTS,
    POLICY_ARGUMENTS,
    POOL_ARGUMENTS,
    REWARD_ARGUMENTS,
    Arguments,
    Choices,
)
from rl4lms.config.reader import hints
from rl4lms.core.registry import Registry
from rl4lms.core.tables import (
    AlgorithmRegistry,
    DataPoolRegistry,
    MetricRegistry,
    PolicyRegistry,
    RewardFunctionRegistry,
)

NOT_OURS = {"self", "accelerator", "split"}
OPEN = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
COMPONENTS: list[tuple[Registry, Choices, Callable[[Any], Any]]] = [
    (DataPoolRegistry.table, POOL_ARGUMENTS, lambda c: c.prepare),
    (RewardFunctionRegistry.table, REWARD_ARGUMENTS, lambda c: c.__init__),
    (MetricRegistry.table, METRIC_ARGUMENTS, lambda c: c.__init__),
]
CASES = [
    pytest.param(table.load, name, choices[name], call, id=f"{table.kind} {name}")
    for table, choices, call in COMPONENTS
    for name in choices
    if name != "evaluate"  # importing that library costs seven CPU-seconds
]


@pytest.mark.parametrize(("table", "choices"), [(t, c) for t, c, _ in COMPONENTS])
def test_every_shipped_id_has_its_arguments_tabled(table: Registry, choices: Choices) -> None:
    assert set(choices) == set(table.ids())


@pytest.mark.slow
@pytest.mark.parametrize(("load", "name", "arguments", "call"), CASES)
def test_names_are_those_of_the_signature(
    load: Callable[[str], Any], name: str, arguments: Arguments, call: Callable[[Any], Any]
) -> None:
    parameters = inspect.signature(call(load(name))).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    taken = {n for n, p in parameters.items() if p.kind not in OPEN} - NOT_OURS
    tabled = {*arguments.required, *arguments.optional}
    assert taken <= tabled if open_ended else taken == tabled
    required = {n for n in taken if parameters[n].default is inspect.Parameter.empty}
    assert required == set(arguments.required)


@pytest.mark.slow
def test_policies_and_algorithms_take_what_is_tabled() -> None:
    ours = {"policy", "env", "observation_space", "action_space", "lr_schedule", "use_sde", "sde_sample_freq"}
    for name, kind in ALGORITHM_ARGUMENTS.items():
        cls = AlgorithmRegistry.get(name)
        taken = {p for c in cls.__mro__ for p in inspect.signature(c.__init__).parameters}
        assert set(hints(kind)) - {"minibatch"} <= taken - ours, name
        for field, default in ((f, inspect.signature(cls.__init__).parameters.get(f)) for f in hints(kind)):
            if default is not None:
                assert default.default == getattr(kind, field), field
    for name, kind in POLICY_ARGUMENTS.items():
        cls = PolicyRegistry.get(name)
        taken = {p for c in cls.__mro__ for p in inspect.signature(c.__init__).parameters}
        assert set(hints(kind)) <= taken, name
