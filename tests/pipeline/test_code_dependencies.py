"""A stage depends on all the code that it runs: what its command imports lies in what the rules name."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from rl4lms.cli.main import STAGES
from tests.import_graph import ROOT, closure, path_of


@cache
def declared() -> dict[str, list[str]]:
    """Stage -> paths under rl4lms/, from common.smk: a Snakemake file is Python where it is not rules."""
    text = (ROOT / "workflow/rules/common.smk").read_text()
    source = text[text.index("_EVERY_STAGE = ") : text.index("def code(")]
    names: dict[str, list[str]] = {}
    table: dict[str, list[str]] = {}
    for node in ast.parse(source).body:
        assert isinstance(node, ast.Assign)
        name = ast.unparse(node.targets[0])
        if name == "CODE":
            table = eval(ast.unparse(node.value), {}, dict(names))
        else:
            names[name] = ast.literal_eval(node.value)
    return {stage: names["_EVERY_STAGE"] + paths for stage, paths in table.items()}


@pytest.mark.parametrize("stage", declared())
def test_declared_code_exists(stage: str) -> None:
    missing = [path for path in declared()[stage] if not (ROOT / "rl4lms" / path).exists()]
    assert not missing


@pytest.mark.parametrize("stage", declared())
def test_declared_code_covers_what_a_stage_imports(stage: str) -> None:
    roots = {str(Path("rl4lms", path)) for path in declared()[stage]}
    module, _ = STAGES[stage]
    needed = [path_of(name) for name in closure(f"rl4lms.cli.{module}")]
    sources = [path for path in needed if not path.endswith("__init__.py")]
    uncovered = [path for path in sources if not roots & {path, *(str(parent) for parent in Path(path).parents)}]
    assert not uncovered


def test_every_stage_declares_its_code() -> None:
    assert set(declared()) <= set(STAGES)
    assert {"prepare", "base-model", "reward-model", "supervised", "train", "evaluate", "aggregate"} <= set(declared())
