"""`import rl4lms`: what it gives, and what it costs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rl4lms
from rl4lms.core.kernels import PORTABLE

ROOT = Path(rl4lms.__file__).parent
PUBLISHED = {
    "Reward": "rl4lms.envs.text_generation.reward:RewardFunction",
    "BatchedReward": "rl4lms.envs.text_generation.reward:BatchedRewardFunction",
    "Metric": "rl4lms.envs.text_generation.metric:BaseMetric",
    "DataPool": "rl4lms.data_pools.text_generation_pool:TextGenPool",
    "Sample": "rl4lms.data_pools.text_generation_pool:Sample",
    "Observation": "rl4lms.envs.text_generation.observation:Observation",
}


def test_the_import_loads_no_other_module() -> None:
    code = "import sys; before = set(sys.modules); import rl4lms; dir(rl4lms); print(*set(sys.modules) - before)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in result.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names] == [
        "rl4lms"
    ]


def test_registering_and_reading_a_reward_loads_no_model_library() -> None:
    code = (
        "import sys, rl4lms; rl4lms.register.reward('r')(lambda completions: []); rl4lms.Reward, rl4lms.Sample\n"
        "print(*{'torch', 'transformers', 'pandas', 'datasets'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "imported"), [("train", False), ("load", False), ("evaluate", True)])
def test_portable_kernels_are_settled_before_torch_is_imported(name: str, imported: bool) -> None:
    """In a program of the user's, which starts with no variables: `train` may then settle native ones as well."""
    code = (
        f"import os, sys, rl4lms; rl4lms.{name}; from rl4lms.core.kernels import environment\n"
        "print('torch' in sys.modules, environment().items() <= os.environ.items())"
    )
    bare = {key: value for key, value in os.environ.items() if key not in PORTABLE}
    result = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=True)
    assert result.stdout.split() == [str(imported), "True"]


def test_every_public_name_is_there_and_listed() -> None:
    assert dir(rl4lms) == sorted(rl4lms.__all__)
    for name in rl4lms.__all__:
        assert getattr(rl4lms, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        rl4lms.trian  # noqa: B018


def test_editors_and_mypy_see_the_same_names() -> None:
    stub = ast.parse((ROOT / "__init__.pyi").read_text())
    listed = next(ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign))
    places = {
        alias.asname: f"{node.module}.{alias.name}" if node.module == "rl4lms.api" else f"{node.module}:{alias.name}"
        for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }  # fmt: skip
    assert sorted(listed) == sorted(rl4lms.__all__)
    assert places == rl4lms._PUBLIC


@pytest.mark.parametrize(("name", "place"), PUBLISHED.items())
def test_a_short_name_is_the_published_class(name: str, place: str) -> None:
    module, _, attribute = place.partition(":")
    found = __import__(module, fromlist=[attribute])
    assert getattr(rl4lms, name) is getattr(found, attribute)
