"""What is named as different between two runs, and what is not."""

from __future__ import annotations

import json
from pathlib import Path

from rl4lms.results.differences import Difference, differences, flat, input_differences
from rl4lms.results.run_directory import RunDirectory

from .two_runs import CONFIG, MANIFEST, MakeRun


def found(a: Path, b: Path) -> dict[str, tuple[object, object]]:
    each = differences(RunDirectory.open(a), RunDirectory.open(b))
    return {f"{d.group} {d.key}": (d.a, d.b) for d in each}


def test_equal_runs_differ_in_nothing_but_the_command(make_run: MakeRun) -> None:
    a = make_run("ppo")
    assert found(a, a) == {}
    b = make_run("nlpo", manifest={"method": "ppo", "command": ["another"]})
    assert found(a, b) == {}


def test_every_kind_of_difference_is_named_by_its_dotted_key(make_run: MakeRun) -> None:
    a = make_run("ppo")
    alg = json.loads(json.dumps(CONFIG["alg"]))
    alg["args"] |= {"clip_range": 0.1, "new": None}
    del alg["args"]["n_steps"]
    metrics = [{"id": "bleu", "args": {}}]
    changes = {"torch": "2.14.0", "extra": "1"}
    b = make_run(
        "nlpo",
        config={"alg": alg, "train_evaluation": {"metrics": metrics, "n_iters": 6}, "seed": 1},
        manifest={
            "packages": changes,
            "git": "b" * 40,
            "host": "two",
            "seed": 1,
            "inputs": MANIFEST["inputs"] | {"data/train.jsonl": "3" * 64},
        },
    )
    assert found(a, b) == {
        "run method": ("ppo", "nlpo"),
        "run seed": (0, 1),
        "params alg.args.n_steps": (64, None),
        "params alg.args.clip_range": (0.2, 0.1),
        "params train_evaluation.metrics[0].id": ("meteor", "bleu"),
        "params seed": (0, 1),
        "params alg.args.new": (None, None),
        "inputs data/train.jsonl": ("1" * 12, "3" * 12),
        "code git": ("a" * 40, "b" * 40),
        "packages torch": ("2.13.0", "2.14.0"),
        "packages numpy": ("2.4.6", None),
        "packages extra": (None, "1"),
        "machine host": ("one", "two"),
    }


def test_null_and_absent_and_true_and_one_are_told_apart(make_run: MakeRun) -> None:
    a = make_run("ppo", config={"x": None, "y": True, "z": 1})
    b = make_run("nlpo", config={"y": 1, "z": 1.0}, manifest={"method": "ppo"})
    each = differences(RunDirectory.open(a), RunDirectory.open(b))
    assert each == [
        Difference("params", "x", None, None, in_b=False),
        Difference("params", "y", True, 1),
        Difference("params", "z", 1, 1.0),
    ]


def test_the_same_file_at_another_path_is_the_same_input() -> None:
    a = {"one/train.jsonl": "1" * 64, "base/m": "2" * 64, "both": "4" * 64}
    b = {"two/train.jsonl": "1" * 64, "warm/m": "3" * 64, "both": "5" * 64}
    assert input_differences(a, b) == [
        Difference("inputs", "base/m", "2" * 12, None, in_b=False),
        Difference("inputs", "both", "4" * 12, "5" * 12),
        Difference("inputs", "warm/m", None, "3" * 12, in_a=False),
    ]


def test_nested_values_have_dotted_keys() -> None:
    assert dict(flat({"a": {"b": [1, 2], "c": [{"d": 0}, {}]}, "e": {}})) == {
        "a.b": [1, 2], "a.c[0].d": 0, "a.c[1]": {}, "e": {},
    }  # fmt: skip
