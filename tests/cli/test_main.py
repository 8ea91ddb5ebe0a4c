"""`python -m rl4lms`: dispatch, exit codes, and what a process costs before it works."""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from rl4lms.cli import main as module
from rl4lms.cli.main import COMMANDS, MODULES, STAGES, build_parser, main, settle_paths
from rl4lms.config.params import Params
from rl4lms.core import progress
from rl4lms.core.errors import ConfigError, DataError, RunError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> list[argparse.Namespace]:
    """The stage `prepare` replaced by one that records its arguments, and makes no files."""
    ran: list[argparse.Namespace] = []
    monkeypatch.setattr(module, "settle_paths", lambda params, args: None)
    fake = types.SimpleNamespace(add_arguments=lambda parser: parser.add_argument("--task"), run=ran.append)
    monkeypatch.setattr(module, "load_stage", lambda name: fake)
    monkeypatch.chdir(ROOT)
    return ran


def test_a_stage_gets_its_arguments_and_the_suites_params(
    stage: list[argparse.Namespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert main(["prepare", "--task", "imdb", "--suite", "tiny", "--quiet"]) == 0
    (args,) = stage
    assert (args.task, args.quiet) == ("imdb", True)
    assert isinstance(args.params, Params)
    assert args.params.suite == "tiny"
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_a_stage_takes_values_in_place_of_its_files(
    stage: list[argparse.Namespace], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["prepare", "--task", "imdb", "--suite", "tiny"]
    assert main([*given, "--set", "data.n_train=9", "--set", "data.seed=4"]) == 0
    data = stage[0].params.task("imdb")["data"]
    assert (data["n_train"], data["seed"], data["n_val"]) == (9, 4, 16)
    assert main([*given, "--set", "data.n_trian=9"]) == 2
    assert 'imdb.yaml with --set: data: unknown key "n_trian". Did you mean "n_train"?' in capsys.readouterr().err
    assert main(["train", "--task", "imdb", "--method", "ppo", "--set", "alg.args.n_epoch=9"]) == 2
    assert 'unknown key "n_epoch". Did you mean "n_epochs"?' in capsys.readouterr().err
    assert len(stage) == 1


def test_a_stage_is_shown_under_the_name_of_what_it_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    fake = types.SimpleNamespace(
        add_arguments=lambda parser: [parser.add_argument(f"--{name}") for name in ("task", "method", "seed")],
        run=lambda args: titles.append(progress.state().title),
    )
    monkeypatch.setattr(module, "load_stage", lambda name: fake)
    monkeypatch.setattr(module, "settle_paths", lambda params, args: None)
    monkeypatch.chdir(ROOT)
    assert main(["train", "--task", "imdb", "--method", "ppo", "--seed", "0"]) == 0
    assert main(["evaluate", "--task", "imdb"]) == 0
    assert main(["aggregate"]) == 0
    assert titles == ["train imdb/ppo/seed0", "evaluate imdb", "aggregate"]


def test_a_stage_says_at_its_end_what_it_cost(
    stage: list[argparse.Namespace], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "rl4lms"):
        assert main(["prepare"]) == 0
    assert re.fullmatch(r"prepare: \d+\.\d CPU s, \d+ MB", caplog.messages[-1])


def test_the_default_suite_is_that_of_the_params(stage: list[argparse.Namespace]) -> None:
    assert main(["prepare"]) == 0
    assert stage[0].params.suite == "mini"


@pytest.mark.parametrize(("error", "code"), [(DataError("f.jsonl, line 3: broken."), 2), (RunError("nan."), 1)])
def test_an_error_is_one_line_and_an_exit_code(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: argparse.Namespace) -> None:
        raise error

    monkeypatch.setattr(
        module, "load_stage", lambda name: types.SimpleNamespace(add_arguments=lambda parser: None, run=run)
    )
    monkeypatch.setattr(module, "settle_paths", lambda params, args: None)
    monkeypatch.chdir(ROOT)
    assert main(["prepare"]) == code
    assert capsys.readouterr().err == f"error: {error}\n"


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(args: argparse.Namespace) -> None:
        raise KeyError("x")

    monkeypatch.setattr(
        module, "load_stage", lambda name: types.SimpleNamespace(add_arguments=lambda parser: None, run=run)
    )
    monkeypatch.setattr(module, "settle_paths", lambda params, args: None)
    monkeypatch.chdir(ROOT)
    with pytest.raises(KeyError):
        main(["prepare"])


def test_bad_params_and_suite(
    stage: list[argparse.Namespace], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "--params-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/grue.yaml: no such file.\n"
    assert main(["prepare", "--suite", "mnii"]) == 2
    assert capsys.readouterr().err.startswith('error: params/suites: unknown suite "mnii". Did you mean "mini"?')
    assert stage == []


def test_an_unknown_stage_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(["trian"])
    assert error.value.code == 2
    assert "invalid choice: 'trian'" in capsys.readouterr().err


def test_no_arguments_print_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("usage: rl4lms") and all(name in printed.out for name in STAGES) and not printed.err


def test_help_of_a_stage_needs_no_params(
    stage: list[argparse.Namespace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as error:
        main(["prepare", "--help"])
    assert error.value.code == 0
    assert "--suite" in capsys.readouterr().out


def test_every_stage_is_offered() -> None:
    assert set(STAGES) == {"prepare", "base-model", "reward-model", "supervised", "train", "evaluate", "aggregate"}
    assert all(name in build_parser().format_help() for name in STAGES)


def test_a_command_gets_its_arguments_and_needs_no_params(
    stage: list[argparse.Namespace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["crowd", "--task", "train", "--quiet"]) == 0
    (args,) = stage
    assert (args.stage, args.task, args.quiet) == ("crowd", "train", True)
    assert not hasattr(args, "params")
    with pytest.raises(SystemExit):
        main(["compare", "--suite", "tiny"])
    assert "--suite" in capsys.readouterr().err


def test_every_command_is_offered() -> None:
    assert set(COMMANDS) == {"compare", "crowd", "init", "plot", "pool", "recipes", "schema", "verify"}
    assert all(name in build_parser().format_help() for name in COMMANDS)


def test_threads_are_settled_before_a_stage_imports_torch() -> None:
    code = """
import sys, types
def add_arguments(parser):
    import torch
    parser.add_argument("--task")
    parser.add_argument("--out")
sys.modules["rl4lms.cli.prepare"] = types.SimpleNamespace(
    add_arguments=add_arguments, run=lambda args: print(__import__("torch").get_num_threads())
)
from rl4lms.cli.main import main
sys.exit(main(["prepare", "--task", "imdb"]))
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (run.stdout, run.returncode) == ("1\n", 0), run.stderr


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_freed_memory_is_not_asked_for_again() -> None:
    """What a minibatch frees, the next one gets without a page fault."""
    code = """
import resource, sys
if sys.argv[1] == "keep":
    from rl4lms.cli.main import keep_freed_memory
    keep_freed_memory()
def minibatch():
    return len([bytearray(2**22) for _ in range(16)])
minibatch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    minibatch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = {
        way: int(subprocess.run([sys.executable, "-c", code, way], cwd=ROOT, capture_output=True, check=True).stdout)
        for way in ("plain", "keep")
    }
    assert faults["keep"] < 100 < faults["plain"]


def test_help_costs_next_to_nothing() -> None:
    code = (
        "import sys, time; from rl4lms.cli.main import build_parser; build_parser().format_help();"
        "print(time.process_time(), bool({'torch', 'numpy', 'transformers', 'pandas'} & set(sys.modules)))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    seconds = min(float(run.stdout.split()[0]) for run in runs)
    assert runs[0].stdout.split()[1] == "False"
    assert seconds < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_every_stage_has_its_module(name: str) -> None:
    parser = build_parser(name)
    with pytest.raises(SystemExit) as error:
        parser.parse_args([name, "--help"])
    assert error.value.code == 0


def test_a_stage_that_is_told_no_paths_takes_the_suites_layout() -> None:
    params = Params.open(ROOT / "params", "tiny")

    def settled(*words: str) -> dict[str, object]:
        args = build_parser(words[0]).parse_args(words, argparse.Namespace(params=params))
        settle_paths(params, args)
        return {key: str(value) for key, value in vars(args).items() if isinstance(value, Path) and "params" not in key}

    assert settled("prepare", "--task", "imdb") == {"out": "results/tiny/data/imdb"}
    assert settled("prepare", "--task", "imdb", "--out", "x") == {"out": "x"}
    assert settled("reward-model", "--name", "sentiment", "--data", "x", "--out", "y") == {"data": "x", "out": "y"}
    assert settled("aggregate")["scores"] == "results/tiny/scores"
    with pytest.raises(ConfigError, match=r"reward-model: with --out, give --data as well"):
        settled("reward-model", "--name", "sentiment", "--out", "y")
