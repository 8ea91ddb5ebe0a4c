"""Rewards and other components that raise, leave, hang, or answer nonsense, and workers that die: one line of error."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from rl4lms.algorithms.ppo import PPO
from rl4lms.cli.train_text_generation import main
from rl4lms.core.errors import RunError
from rl4lms.core.tables import (
    AlgorithmRegistry,
    DataPoolRegistry,
    MetricRegistry,
    PolicyRegistry,
    RewardFunctionRegistry,
)
from rl4lms.data_pools.dummy import DummyPool
from rl4lms.metrics.base import BaseMetric
from rl4lms.policies.causal import CausalLMActorCriticPolicy
from rl4lms.rewards.base import BatchedRewardFunction, RewardFunction
from rl4lms.rewards.guard import reward_call
from tests.faults.suite import one_error
from tests.training.test_on_policy import config

ASK = "RL4LMS_TEST_REWARD"  # what the reward is to do, also in its worker processes


class Speechless(BaseException):
    def __str__(self) -> str:
        raise self


def misbehave(what: str) -> Any:
    if what == "raises":
        raise ZeroDivisionError("of what?\nof that")
    if what == "exits":
        raise SystemExit(0)
    if what == "is speechless":
        raise Speechless
    if what == "forks" and os.fork() == 0:
        return 0.5
    if what == "hangs":
        time.sleep(60)
    if what == "hangs and swallows":
        for _ in range(2):
            try:
                time.sleep(60)
            except Exception:  # as careless as a user's own code may be
                continue
    if what == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"nan": float("nan"), "infinite": float("inf"), "no number": "good", "nothing": None}.get(what, 1.0)


class Single(RewardFunction):
    def __call__(self, prev_observation: Any, action: Any, current: Any, done: bool, meta_info: Any = None) -> Any:
        return misbehave(os.environ[ASK]) if done else 0.0


class Leaving(RewardFunction):
    """Says itself what it does: environments' processes keep the environment variables of the first of them."""

    def __call__(self, prev_observation: Any, action: Any, current: Any, done: bool, meta_info: Any = None) -> Any:
        return misbehave("exits") if done else 0.0


class Batched(BatchedRewardFunction):
    def __call__(self, prompts: Any, texts: Any, references: Any, dones: Any, meta_infos: Any = None) -> Any:
        answer = misbehave(os.environ[ASK])
        return [answer] * (len(texts) - (os.environ[ASK] == "wrong length"))


@pytest.fixture
def arguments(model_dir: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """arguments(reward class, **env) -> of the training script, for a run of three iterations with that reward."""

    def write(reward: type, **env: Any) -> list[str]:
        monkeypatch.setitem(RewardFunctionRegistry.table._entries, "odd", reward)
        value = config(model_dir("gpt2"), n_iters=3).to_dict()
        value["reward_fn"] = {"id": "odd", "args": {}}
        value["env"] |= {"reward_timeout_s": 0.5, **env}
        value["train_evaluation"]["metrics"] = [{"id": "increasing_numbers", "args": {"min_tokens": 4}}]
        path = tmp_path / "run.yml"
        path.write_text(yaml.safe_dump(value))
        places = ["--project_name", "p", "--experiment_name", "e", "--base_path_to_store_results", str(tmp_path)]
        return ["--config_path", str(path), *places]

    return write


CASES = [
    (Single, "raises", "raised ZeroDivisionError (of what? of that), at test_rewards.py, line"),
    (Single, "exits", "raised SystemExit (0), at test_rewards.py, line"),
    (Single, "is speechless", "raised Speechless (its message cannot be read), at test_rewards.py, line"),
    (Single, "nan", "of the batch; expected a finite number"),
    (Single, "infinite", "inf for episode"),
    (Single, "no number", "str for episode"),
    (Single, "nothing", "NoneType for episode"),
    (Single, "hangs", "no answer within env.reward_timeout_s, 0.5 s"),
    (Single, "hangs and swallows", "no answer within env.reward_timeout_s, 0.5 s"),
    (Batched, "raises", "raised ZeroDivisionError"),
    (Batched, "nan", "expected a finite number"),
    (Batched, "infinite", "expected a finite number"),
    (Batched, "wrong length", "rewards for 4 texts; return one each"),
    (Batched, "hangs", "no answer within env.reward_timeout_s, 0.5 s"),
]
# What else a worker sends back, tests/rewards/test_parallel.py has, without a run: a worker imports what the run does.
WORKERS = [
    ("raises", "raised ZeroDivisionError (of what? of that), at test_rewards.py, line"),
    ("hangs", "no answer within env.reward_timeout_s, 0.5 s"),
    ("hangs and swallows", "no answer within env.reward_timeout_s, 0.5 s"),
    ("dies", "a worker process ended with exit code -9. The same command goes on from the last checkpoint"),
]


def fails(arguments: list[str], what: str, expected: str, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv(ASK, what)
    started = time.monotonic()
    assert main(arguments) == 1
    error = one_error(capsys.readouterr())
    assert error.startswith("error: reward ") and expected in error
    assert time.monotonic() - started < 50


@pytest.mark.slow
@pytest.mark.parametrize(("reward", "what", "expected"), CASES)
def test_a_reward_here(arguments: Any, monkeypatch: Any, capsys: Any, reward: type, what: str, expected: str) -> None:
    given = arguments(reward)
    fails(given, what, expected, monkeypatch, capsys)


@pytest.mark.slow
@pytest.mark.parametrize(("what", "expected"), WORKERS)
def test_a_reward_in_workers(arguments: Any, monkeypatch: Any, capsys: Any, what: str, expected: str) -> None:
    fails(arguments(Single, n_reward_workers=2), what, expected, monkeypatch, capsys)


@pytest.mark.slow
def test_a_reward_in_environments(arguments: Any, monkeypatch: Any, capsys: Any) -> None:
    given = arguments(Leaving, vec_env="subproc", reward_timeout_s=30.0)
    fails(given, "", "raised SystemExit (0), at test_rewards.py, line", monkeypatch, capsys)


class LeavingMetric(BaseMetric):
    def compute(self, *args: Any, **kwargs: Any) -> Any:
        misbehave("exits")


class LeavingPool(DummyPool):
    @classmethod
    def prepare(cls, split: str, **kwargs: Any) -> Any:
        misbehave("exits")


class HalfwayPool(DummyPool):
    def __getitem__(self, ix: int) -> Any:
        misbehave("exits")


class LeavingAlgorithm(PPO):
    def train(self) -> None:
        misbehave("exits")


class LeavingPolicy(CausalLMActorCriticPolicy):
    def evaluate_actions(self, *args: Any, **kwargs: Any) -> Any:
        misbehave("exits")


COMPONENTS = {
    "metric": (MetricRegistry, LeavingMetric, "metric LeavingMetric: "),
    "pool": (DataPoolRegistry, LeavingPool, "data pool odd: "),
    "samples": (DataPoolRegistry, HalfwayPool, "HalfwayPool.__getitem__: "),
    "algorithm": (AlgorithmRegistry, LeavingAlgorithm, "LeavingAlgorithm.train: "),
    "policy": (PolicyRegistry, LeavingPolicy, "LeavingPolicy.evaluate_actions: "),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", COMPONENTS)
def test_any_other_component_that_ends_the_process(arguments: Any, monkeypatch: Any, capsys: Any, kind: str) -> None:
    registry, component, said = COMPONENTS[kind]
    given = arguments(Single)
    monkeypatch.setenv(ASK, "well")
    monkeypatch.setitem(registry.table._entries, "odd", component)
    path = Path(given[1])
    value = yaml.safe_load(path.read_text())
    if kind == "metric":
        value["train_evaluation"]["metrics"] = [{"id": "odd"}]
    elif kind in ("pool", "samples"):
        value["datapool"]["id"] = "odd"
    elif kind == "algorithm":
        value["alg"]["id"] = "odd"
    else:
        value["alg"]["policy"]["id"] = "odd"
    path.write_text(yaml.safe_dump(value))
    assert main(given) == 1
    error = one_error(capsys.readouterr())
    assert error.startswith(f"error: {said}") and "raised SystemExit (0), at test_rewards.py, line" in error


@pytest.mark.slow
@pytest.mark.parametrize("n_workers", [0, 1])
def test_a_reward_that_hangs_in_an_evaluation(arguments: Any, monkeypatch: Any, capsys: Any, n_workers: int) -> None:
    """Without metrics an evaluation scores the reward, before the first rollout, under the same limits."""
    given = arguments(Single, n_reward_workers=n_workers)
    path = Path(given[1])
    value = yaml.safe_load(path.read_text())
    value["train_evaluation"]["metrics"] = []
    path.write_text(yaml.safe_dump(value))
    fails(given, "hangs", "no answer within env.reward_timeout_s, 0.5 s", monkeypatch, capsys)
    assert not (path.parent / "p" / "e" / "rollout_info.jsonl").exists()


@pytest.mark.slow
def test_the_traceback_is_in_the_log(arguments: Any, monkeypatch: Any, capsys: Any, tmp_path: Path) -> None:
    fails(arguments(Single), "raises", "raised ZeroDivisionError", monkeypatch, capsys)
    log = (tmp_path / "p" / "e" / "log.txt").read_text()
    assert "in misbehave" in log and "ZeroDivisionError: of what?\nof that" in log


@pytest.mark.slow
def test_what_was_done_before_is_kept_and_gone_on_from(
    arguments: Any, monkeypatch: Any, capsys: Any, tmp_path: Path
) -> None:
    given = arguments(Single)
    monkeypatch.setenv(ASK, "well")
    monkeypatch.setenv("CALLS", "7")
    original, calls = Single.__call__, tmp_path / "calls"

    def so_often(self: Any, *args: Any) -> Any:  # the same code in both runs, or the second would be another run
        if args[3]:
            with calls.open("a") as file:
                file.write(".")
            if calls.stat().st_size > int(os.environ["CALLS"]):
                os.environ[ASK] = "raises"
        return original(self, *args)

    monkeypatch.setattr(Single, "__call__", so_often)
    fails(given, "well", "raised ZeroDivisionError", monkeypatch, capsys)
    monkeypatch.setenv("CALLS", "1000")
    run_dir = tmp_path / "p" / "e"
    done = max(int(p.name) for p in (run_dir / "checkpoints").iterdir())
    assert 0 < done < 3
    before = (run_dir / "training_info.jsonl").read_text()
    monkeypatch.setenv(ASK, "well")
    assert main(given) == 0
    lines = (run_dir / "training_info.jsonl").read_text()
    assert lines.startswith(before)
    assert [json.loads(line)["iteration"] for line in lines.splitlines()] == [0, 1, 2]
    assert f"resumed after iteration {done} of 3" in (run_dir / "log.txt").read_text()


def test_a_time_limit_ends_with_its_call() -> None:
    previous = signal.getsignal(signal.SIGALRM)
    with pytest.raises(RunError, match="no answer within env.reward_timeout_s, 0.05 s"), reward_call(Single(), 0.05):
        time.sleep(5)
    with reward_call(Single(), 0.05):
        pass
    time.sleep(0.1)
    assert signal.getsignal(signal.SIGALRM) is previous
