"""`python -m rl4lms schema`: every key that is read is shown, with a sentence, and the page is what it prints."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rl4lms.cli.main import main
from rl4lms.config import params_schema, reader, sections
from rl4lms.config.arguments import ALGORITHM_ARGUMENTS, POLICY_ARGUMENTS
from rl4lms.config.generation import GenerationConfig
from rl4lms.config.keys import Key, tables
from rl4lms.config.reader import hints
from rl4lms.config.schema import RunConfig
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.tables import (
    AlgorithmRegistry,
    DataPoolRegistry,
    MetricRegistry,
    PolicyRegistry,
    RewardFunctionRegistry,
)

ROOT = Path(__file__).resolve().parents[2]
KEYS = {table.title: {key.name: key for key in table.keys} for table in tables()}


def test_the_page_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--markdown"]) == 0
    assert (ROOT / "docs/keys.md").read_text(encoding="utf-8") == capsys.readouterr().out, (
        "python -m rl4lms schema --markdown > docs/keys.md"
    )


def test_every_key_has_a_sentence() -> None:
    for title, keys in KEYS.items():
        for key in keys.values():
            assert key.sentence[:1].strip() and key.sentence.endswith("."), f"{title}: {key.name}"


def test_a_key_is_shown_with_kind_default_and_sentence() -> None:
    assert KEYS["alg.args of ppo, nlpo"]["alg.args.clip_range"] == Key(
        "alg.args.clip_range", "a number > 0", "0.2", "How far the probability ratio may move from 1."
    )
    assert KEYS["A run file"]["env.args.max_prompt_length"].default == "required"
    assert KEYS["A run file"]["train_evaluation.keep_best.mode"].kind == '"max" or "min"'
    assert KEYS["reward_fn.args of rouge"]["reward_fn.args.use_single_ref"].default == "true"
    assert KEYS["params/tasks/<task>.yaml"]["data.n_train"].kind == "an integer >= 1 or null"


def test_every_section_and_every_id_is_shown() -> None:
    """Whatever a class of the schema has as a field stands in a table under its name."""
    shown = {key.rpartition(".")[2] for keys in KEYS.values() for key in keys}
    found = [c for module in (sections, params_schema) for c in vars(module).values() if isinstance(c, type)]
    classes = [RunConfig, GenerationConfig, *ALGORITHM_ARGUMENTS.values(), *POLICY_ARGUMENTS.values()]
    classes += [c for c in found if dataclasses.is_dataclass(c) and c.__module__ != reader.__name__]
    for cls in classes:
        assert set(hints(cls)) - {"notices", "generation", "alg"} <= shown, cls
    of_ids = {"reward_fn.args": RewardFunctionRegistry, "datapool.args": DataPoolRegistry}
    for path, registry in {**of_ids, "train_evaluation.metrics[].args": MetricRegistry}.items():
        assert {f"{path} of {name}" for name in registry.table.shipped()} <= KEYS.keys()
    assert set(ALGORITHM_ARGUMENTS) == set(AlgorithmRegistry.table.shipped())
    assert set(POLICY_ARGUMENTS) == set(PolicyRegistry.table.shipped())


def test_keys_of_the_shipped_files_are_shown() -> None:
    names = {name for keys in KEYS.values() for name in keys}
    for path in (ROOT / "configs").rglob("*.yml"):
        given = load_yaml(path)
        for section in ("tokenizer", "env", "train_evaluation"):
            assert {f"{section}.{key}" for key in given.get(section, {})} <= names, path
        assert {f"alg.args.{key}" for key in given["alg"].get("args", {})} - {"alg.args.seed"} <= names, path


@pytest.mark.parametrize(
    ("key", "first", "n"), [("alg.args.clip_range_vf", "alg.args of ppo, nlpo", 1), ("env.args.max", "A run file", 2)]
)
def test_the_keys_that_begin_so_are_printed(key: str, first: str, n: int, capsys: pytest.CaptureFixture[Any]) -> None:
    assert main(["schema", key]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == first and len(lines) == 1 + 2 * n


def test_a_key_that_is_none_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "alg.args.clip_rnge"]) == 2
    assert 'no key begins with "alg.args.clip_rnge". Did you mean "alg.args.clip_range"?' in capsys.readouterr().err
