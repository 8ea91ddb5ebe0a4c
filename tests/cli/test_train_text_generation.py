"""The published training command: what it checks, where it writes, that it resumes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from rl4lms.cli import train_text_generation as module
from rl4lms.cli.train_text_generation import main
from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import RunError
from rl4lms.tracking.tracker import Tracker

ROOT = Path(__file__).resolve().parents[2]
CONFIG: dict[str, Any] = {
    "tokenizer": {"model_name": "gpt2"},
    "reward_fn": {"id": "increasing_numbers", "args": {"min_tokens": 20}},
    "datapool": {"id": "dummy_pool", "args": {"prompt": "Count:", "n_samples": 8}},
    "env": {"n_envs": 4, "args": {"max_prompt_length": 5, "max_episode_length": 20}},
    "alg": {
        "id": "ppo",
        "args": {"n_steps": 16},
        "kl_div": {"coeff": 0.1},
        "policy": {
            "id": "causal_lm_actor_critic_policy",
            "args": {"model_name": "gpt2", "generation_kwargs": {"do_sample": True}},
        },
    },
    "train_evaluation": {"eval_batch_size": 4, "n_iters": 2, "eval_every": 1},
}


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "run.yml"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[RunConfig, Path]]:
    """The trainers replaced by one that writes what a run writes, and fails the first time it is asked to."""
    calls: list[tuple[RunConfig, Path]] = []

    def train(config: RunConfig, out_dir: Path, *, tracker: Tracker, identity: Any) -> None:
        calls.append((config, out_dir))
        (out_dir / "config.json").write_text(json.dumps(config.to_dict()))
        tracker.log_info("training")

    monkeypatch.setitem(module.TRAINERS._entries, "on_policy", train)
    return calls


def arguments(config_path: Path, tmp_path: Path, *more: str) -> list[str]:
    names = ("--project_name", "p", "--experiment_name", "e", "--base_path_to_store_results", str(tmp_path / "results"))
    return ["--config_path", str(config_path), *names, *more]


def test_it_writes_where_it_was_published_to_write(
    config_path: Path, tmp_path: Path, trained: list[tuple[RunConfig, Path]]
) -> None:
    assert main(arguments(config_path, tmp_path)) == 0
    ((config, run_dir),) = trained
    assert run_dir == tmp_path / "results" / "p" / "e"
    assert config.seed == 0
    assert "training" in (run_dir / "log.txt").read_text()
    assert RunConfig.from_file(run_dir / "config.json") == config


def test_values_are_set_in_place_of_the_files_and_are_the_runs(
    config_path: Path, tmp_path: Path, trained: list[tuple[RunConfig, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A run with other values is another run: what the first one did is set aside, not resumed."""
    assert main(arguments(config_path, tmp_path)) == 0
    more = ("--set", "alg.args.learning_rate=1e-5", "--set", "reward_fn={id: meteor}", "--seed", "3")
    assert main(arguments(config_path, tmp_path, *more)) == 0
    written = json.loads((trained[1][1] / "config.json").read_text())
    assert (written["alg"]["args"]["learning_rate"], written["reward_fn"]["id"], written["seed"]) == (1e-5, "meteor", 3)
    assert len(list((tmp_path / "results" / "p").iterdir())) == 2
    capsys.readouterr()
    assert main(arguments(config_path, tmp_path, "--set", "alg.args.learning_rat=1e-5")) == 2
    assert 'with --set: alg.args: unknown key "learning_rat". Did you mean "learning_rate"?' in capsys.readouterr().err


def test_the_same_command_resumes_and_another_one_sets_aside(
    config_path: Path, tmp_path: Path, trained: list[tuple[RunConfig, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(arguments(config_path, tmp_path)) == 0
    assert [p.name for p in (tmp_path / "results" / "p").iterdir()] == ["e"]
    assert main(arguments(config_path, tmp_path, "--seed", "3")) == 0
    assert trained[-1][0].seed == 3
    assert sorted(p.name for p in (tmp_path / "results" / "p").iterdir()) == ["e", "e.stale-1"]


def test_another_thread_count_is_another_run(
    config_path: Path, tmp_path: Path, trained: list[tuple[RunConfig, Path]], caplog: pytest.LogCaptureFixture
) -> None:
    """No mixture of two runs: what another number of threads began is set aside, whoever said that number."""
    run_dir = tmp_path / "results" / "p" / "e"
    assert main(arguments(config_path, tmp_path)) == 0
    torch.set_num_threads(2)
    try:
        assert main(arguments(config_path, tmp_path)) == 0
        assert "(other threads)" in caplog.text
        assert run_dir.with_name("e.stale-1").is_dir() and not run_dir.with_name("e.stale-2").exists()
        config_path.write_text(config_path.read_text() + "\nn_threads: 1\n")
        assert main(arguments(config_path, tmp_path)) == 0
        assert "(other config, threads)" in caplog.text
        assert torch.get_num_threads() == 1
        assert json.loads((run_dir / "config.json").read_text())["n_threads"] == 1
    finally:
        torch.set_num_threads(1)


def test_bad_input_is_one_line_exit_code_2_and_nothing_written(
    config_path: Path, tmp_path: Path, trained: list[tuple[RunConfig, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {**CONFIG, "datapool": {"id": "imdb", "args": {"data_dir": str(tmp_path / "absent")}}}
    for text, message in (
        (
            yaml.safe_dump({**CONFIG, "reward": {}}),
            f'error: {config_path}: unknown key "reward". Did you mean "reward_fn"',
        ),
        (
            yaml.safe_dump(bad),
            f"error: {config_path}: datapool.args.data_dir: {tmp_path / 'absent'}: no such file or directory.",
        ),
        ("a: [\n", f"error: {config_path}, line 2: not valid YAML"),
    ):
        config_path.write_text(text)
        assert main(arguments(config_path, tmp_path)) == 2
        printed = capsys.readouterr()
        assert printed.err.startswith(message)
        assert printed.err.count("\n") == 1
    assert not (tmp_path / "results").exists()
    assert trained == []


def test_a_failed_run_keeps_its_directory_and_its_exit_code(
    config_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(config: RunConfig, out_dir: Path, *, tracker: Tracker, identity: Any) -> None:
        tracker.log_rollout(0, {"rollout/reward": 1.0})
        raise RunError("the reward is not finite.")

    monkeypatch.setitem(module.TRAINERS._entries, "on_policy", train)
    assert main(arguments(config_path, tmp_path)) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: the reward is not finite."
    assert (tmp_path / "results/p/e/rollout_info.jsonl").exists()


def test_the_script_checks_a_configuration_without_loading_a_model(config_path: Path) -> None:
    command = [sys.executable, "scripts/training/train_text_generation.py", "--config_path", str(config_path)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    run = subprocess.run([*command, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == f"{config_path}: a valid configuration (ppo on dummy_pool).\n"
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 5, "CPU seconds"
    help_text = subprocess.run([*command[:2], "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for option in ("project_name", "experiment_name", "entity_name", "base_path_to_store_results", "log_to_wandb"):
        assert f"--{option}" in help_text


@pytest.mark.slow
def test_lora_from_yaml_to_a_plain_model(model_dir: Any, tmp_path: Path) -> None:
    """The script, from `lora` in the file to a model directory without adapters; a rank of 0 is refused."""
    pytest.importorskip("peft")
    config = json.loads(json.dumps(CONFIG))
    policy = config["alg"]["policy"]["args"]
    config["tokenizer"]["model_name"] = policy["model_name"] = str(model_dir("gpt2"))
    policy |= {"value_model": "shared", "lora": {"r": 4, "alpha": 8, "dropout": 0.1, "target_modules": ["c_attn"]}}
    path = tmp_path / "run.yml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "scripts/training/train_text_generation.py", *arguments(path, tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    out = tmp_path / "results" / "p" / "e"
    assert json.loads((out / "config.json").read_text())["alg"]["policy"]["args"]["lora"] == policy["lora"]
    assert sorted(p.name for p in (out / "model").iterdir() if "adapter" in p.name) == []
    policy["lora"]["r"] = 0
    path.write_text(yaml.safe_dump(config))
    refused = subprocess.run([*command, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.stderr == f"error: {path}: alg.policy.args.lora.r: expected an integer >= 1 and <= 65536, found 0.\n"
