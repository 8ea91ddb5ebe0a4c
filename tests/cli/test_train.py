"""The `train` stage: what it refuses, that it publishes whole, that a failed run is gone on with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from rl4lms.cli import train as module
from rl4lms.config.params import Params
from rl4lms.config.schema import RunConfig
from rl4lms.config.stages import STAGES
from rl4lms.core.errors import ConfigError, RunError
from rl4lms.core.seals import SEAL
from rl4lms.tracking.tracker import Tracker

PARAMS = Params.open(Path(__file__).resolve().parents[2] / "params", "tiny")
METHODS = sorted(start + alg for alg in PARAMS.algs() for start in ("", "supervised_"))


@pytest.fixture
def args(tmp_path: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    for name in ("data", "model"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    given = [
        "--task",
        "common_gen",
        "--method",
        "supervised_ppo",
        "--seed",
        "3",
        "--out",
        str(tmp_path / "run" / "seed3"),
    ]
    given += ["--data", str(tmp_path / "data"), "--model", str(tmp_path / "model")]
    return parser.parse_args(given, argparse.Namespace(params=PARAMS, quiet=True))


def trainer(calls: list[Any], fail: bool = False) -> Any:
    def train(config: RunConfig, out_dir: Path, *, tracker: Tracker, evaluate_test: bool, identity: Any) -> None:
        calls.append((config, sorted(p.name for p in out_dir.iterdir()), evaluate_test))
        (out_dir / "checkpoints").mkdir(exist_ok=True)
        if fail:
            raise RunError("nan.")
        for name in STAGES["train"].outputs:
            (out_dir / name).parent.mkdir(exist_ok=True)
            (out_dir / name).write_text(name)

    return train


def test_a_run_is_published_and_its_work_directory_gone(
    args: argparse.Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(module, "train_on_policy", trainer(calls))
    module.run(args)
    ((config, _, evaluate_test),) = calls
    assert (config.seed, config.alg.id, evaluate_test) == (3, "ppo", False)
    assert config.alg.policy.model_name == str(tmp_path / "model")
    assert {str(p.relative_to(args.out)) for p in args.out.rglob("*") if p.is_file()} == {
        *STAGES["train"].outputs,
        "manifest.json",
        SEAL,
    }
    assert [p.name for p in args.out.parent.iterdir()] == ["seed3"]


def test_a_failed_run_leaves_no_output_and_is_gone_on_with(
    args: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(module, "train_on_policy", trainer(calls, fail=True))
    with pytest.raises(RunError):
        module.run(args)
    assert not args.out.exists()
    monkeypatch.setattr(module, "train_on_policy", trainer(calls))
    module.run(args)
    assert "checkpoints" in calls[1][1]
    assert args.out.is_dir()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("data", Path("absent"), "--data absent: no such directory; run the stage that makes it first."),
        ("model", Path("absent"), "--model absent: no such directory; run the stage that makes it first."),
        ("task", "totto", 'suite tiny: unknown task "totto". Known: common_gen, imdb.'),
        (
            "method",
            "zero_shot",
            f'--method: unknown method "zero_shot". Known: {", ".join(METHODS)}.',
        ),
        (
            "task",
            "imdb",
            "task imdb: reward_fn: learned_reward needs a classifier; give its directory with --reward-model.",
        ),
    ],
)
def test_refusals(args: argparse.Namespace, name: str, value: Any, message: str) -> None:
    setattr(args, name, value)
    with pytest.raises(ConfigError) as error:
        module.run(args)
    assert str(error.value) == message
    assert not args.out.parent.exists()


def test_a_wrong_number_names_the_files_it_may_stand_in(args: argparse.Namespace, tmp_path: Path) -> None:
    import shutil

    directory = Path(shutil.copytree(PARAMS.directory, tmp_path / "params"))
    algorithm = directory / "algs" / "ppo.yaml"
    algorithm.write_text(algorithm.read_text().replace("clip_range: 0.2", "clip_range: -0.2"))
    args.params = Params.open(directory, "tiny")
    with pytest.raises(ConfigError) as error:
        module.configure(args)
    assert str(error.value) == (
        f"{directory}/tasks/common_gen.yaml over algs/ppo.yaml (suite tiny, supervised_ppo): "
        "alg.args.clip_range: expected a number > 0, found -0.2."
    )
