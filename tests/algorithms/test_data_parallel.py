"""Two processes (gloo) do what one does: the same episodes, gradients and logged numbers (issue: several devices)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch.testing import assert_close

from docs.examples.algorithm import Reinforce
from rl4lms.algorithms.a2c import A2C
from rl4lms.algorithms.dapo import DAPO
from rl4lms.algorithms.dpo import DPO
from rl4lms.algorithms.groups import GroupRollouts
from rl4lms.algorithms.grpo import GRPO
from rl4lms.algorithms.nlpo import NLPO
from rl4lms.algorithms.ppo import PPO
from rl4lms.algorithms.raft import RAFT
from rl4lms.algorithms.reinforce import RLOO, ReMax
from rl4lms.algorithms.trpo import TRPO
from rl4lms.numerics.distributed import process_group, shares, sum_gradients, sum_numbers, world_size
from rl4lms.rewards.base import BatchedRewardFunction
from rl4lms.rollouts.buffer import EpisodeRolloutBuffer
from tests.algorithms.test_groups import build as build_groups
from tests.algorithms.test_ppo import NO_PPO, build

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
NUCLEUS = {"top_mask": 0.8, "mask_type": "learned_top_p", "min_tokens_to_keep": 2}
CASES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "ppo-gpt2": ("gpt2", PPO, {}),
    "ppo-t5": ("t5", PPO, {"gradient_accumulation_steps": 2}),
    "ppo-transitions": ("gpt2", PPO, {"minibatch": "transitions"}),
    "nlpo-gpt2": ("gpt2", NLPO, {"policy": NUCLEUS}),
    "a2c-gpt2": ("gpt2", A2C, {**NO_PPO, "normalize_advantage": True}),
    "users-gpt2": ("gpt2", Reinforce, NO_PPO),
    "trpo-gpt2": ("gpt2", TRPO, {"n_epochs": None, "n_critic_updates": 2}),
    "grpo-gpt2": ("gpt2", GRPO, {"n_prompts": 5, "n_minibatches": 2, "gradient_accumulation_steps": 2}),
    "grpo-t5": ("t5", GRPO, {}),
    "rloo-gpt2": ("gpt2", RLOO, {"n_epochs": 2}),
    "dapo-gpt2": ("gpt2", DAPO, {"n_prompts": 5, "completions_per_prompt": 2, "length": 2}),  # draws several rounds
    "remax-gpt2": ("gpt2", ReMax, {"n_prompts": 5}),
    "raft-gpt2": ("gpt2", RAFT, {}),
    "dpo-gpt2": ("gpt2", DPO, {}),
}


class CountingReward(BatchedRewardFunction):
    """The share of even words; remembers how many texts this process was asked to score."""

    def __init__(self) -> None:
        self.n_scored = 0

    def __call__(self, prompt_texts, gen_texts, ref_texts, dones, meta_infos=None):
        self.n_scored += len(gen_texts)
        return [sum(int(w[1:]) % 2 == 0 for w in text.split()) / 8 for text in gen_texts]


def one_iteration(case: str, directory: str) -> dict[str, Any]:
    """A rollout, then an update on it, in float64 (but for T5's norms, which are float32 in transformers)."""
    family, cls, arguments = CASES[case]
    policy = {"dtype": "float64", **arguments.get("policy", {})}
    reward = CountingReward()
    make = build_groups if issubclass(cls, GroupRollouts) else build
    algorithm = make(directory, family, cls, reward=reward, kl=0.1, **{**arguments, "policy": policy})
    batch = algorithm.collector.collect(algorithm.policy, 0)
    buffer: EpisodeRolloutBuffer = algorithm.rollout_buffer
    buffer.add_episodes(algorithm.select(batch), 0)
    gradients: list[torch.Tensor] = []  # of every optimiser step
    step = algorithm.policy.optimizer.step
    algorithm.policy.optimizer.step = lambda: (gradients.append(gradient(algorithm.policy)), step())
    algorithm.train()
    return {
        "response_ids": batch.sequences.response_ids,
        "mask": batch.mask,
        "logprobs": batch.logprobs,
        "values": batch.values,
        "rewards": batch.rewards,
        "advantages": buffer.advantages,
        "baseline": torch.zeros(1) if batch.baseline is None else batch.baseline,
        "texts": batch.texts,
        "numbers": algorithm.collector.numbers,
        "n_scored": reward.n_scored,
        "first_gradient": gradients[0],
        "n_optimizer_steps": len(gradients),
        "weights": torch.cat([p.detach().flatten() for p in algorithm.policy.parameters()]),
        "logged": dict(algorithm.logger.name_to_value),
    }


def gradient(policy: Any) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None])


def in_two_processes(function: Any, out: Path, *args: Any) -> list[Any]:
    """`function(*args)` on each of two processes that belong together; their results by rank."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_process, (port, out, function, args), nprocs=2)
    return [torch.load(out / f"{rank}.pt") for rank in (0, 1)]


def _process(rank: int, port: int, out: Path, function: Any, args: Any) -> None:
    torch.set_num_threads(1)
    address = {"MASTER_ADDR": "localhost", "MASTER_PORT": port}
    os.environ.update({k: str(v) for k, v in {**address, "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2}.items()})
    with process_group():
        assert world_size() == 2
        torch.save(function(*args), out / f"{rank}.pt")


def all_cases(directories: dict[str, str]) -> dict[str, Any]:
    return {case: one_iteration(case, directories[CASES[case][0]]) for case in CASES}


def test_an_iteration_is_that_of_one_process(model_dir: Any, tmp_path: Path) -> None:
    directories = {family: str(model_dir(family)) for family in ("gpt2", "t5")}
    alone = all_cases(directories)
    first, second = in_two_processes(all_cases, tmp_path, directories)
    for case, one in alone.items():
        for two in (first[case], second[case]):
            assert two["texts"] == one["texts"] and torch.equal(two["response_ids"], one["response_ids"]), case
            for name in ("mask", "logprobs", "values", "rewards", "advantages", "baseline"):
                assert_close(two[name], one[name], rtol=1e-9, atol=1e-9, msg=f"{case}: {name}")
            scale = float(one["first_gradient"].abs().max())
            assert_close(two["first_gradient"], one["first_gradient"], rtol=1e-5, atol=1e-5 * scale, msg=case)
            assert scale > 1e-4 and two["numbers"] == one["numbers"], case
            # Adam's first steps turn a rounding error of a gradient near 0 into a step of the learning rate.
            assert_close(two["weights"], one["weights"], rtol=0, atol=2e-3 if "t5" in case else 1e-6, msg=case)
            assert two["logged"] == pytest.approx(one["logged"], rel=1e-3 if "t5" in case else 1e-6, abs=1e-6), case
            assert two["n_optimizer_steps"] == one["n_optimizer_steps"] > 0
        for name in ("advantages", "weights"):  # whitened by the same mean and deviation
            assert torch.equal(first[case][name], second[case][name]), f"{case}: the processes drifted apart: {name}"
        scored = first[case]["n_scored"], second[case]["n_scored"]
        assert min(scored) > 0 and sum(scored) == one["n_scored"], f"{case}: every episode is scored once"
    assert alone["dapo-gpt2"]["numbers"]["rollout/n_rounds"] > 1


def uneven_sums() -> dict[str, Any]:
    """Gradients that a process lacks, that all lack, and of two dtypes; numbers under names that a process lacks."""
    rank = torch.distributed.get_rank()
    both, mine, none, half = (
        torch.nn.Parameter(torch.zeros(3, dtype=d)) for d in (torch.float32,) * 3 + (torch.float16,)
    )
    both.grad = torch.full((3,), 1.0 + rank)
    half.grad = torch.ones(3, dtype=torch.float16)
    if rank == 1:
        mine.grad = torch.full((3,), 5.0)
    sum_gradients([both, mine, none, half])
    numbers = sum_numbers({"a": 1.0} if rank else {"a": 2.0, "b": 3.0})
    return {
        "grads": [p.grad for p in (both, mine, none, half)],
        "numbers": numbers,
        "shares": [list(part) for part in shares(range(5))],
    }


def test_sums_over_processes(tmp_path: Path) -> None:
    for result in in_two_processes(uneven_sums, tmp_path):
        both, mine, none, half = result["grads"]
        assert both.tolist() == [3.0] * 3 and mine.tolist() == [5.0] * 3 and none is None
        assert half.dtype is torch.float16 and half.tolist() == [2.0] * 3
        assert result["numbers"] == {"a": 3.0, "b": 3.0}
        assert result["shares"] == [[0, 1], [2, 3, 4]]


def test_one_process_needs_no_launch() -> None:
    with process_group():
        assert world_size() == 1 and shares([1, 2]) == [[1, 2]]
    assert not torch.distributed.is_initialized()


CONFIG: dict[str, Any] = {
    "reward_fn": {"id": "increasing_numbers", "args": {"min_tokens": 8}},
    "datapool": {"id": "dummy_pool", "args": {"prompt": "w5 w6", "n_samples": 8}},
    "env": {"n_envs": 4, "args": {"max_prompt_length": 4, "max_episode_length": 8}},
    "train_evaluation": {
        "eval_batch_size": 3, "n_iters": 2, "eval_every": 1, "save_every": 1,
        "metrics": [{"id": "increasing_numbers", "args": {"min_tokens": 8}}],
        "generation_kwargs": {"do_sample": True, "max_new_tokens": 8},
    },
}  # fmt: skip


def test_the_training_script_under_torchrun(model_dir: Any, tmp_path: Path) -> None:
    """One set of files, by the first process; the same command resumes in both; predictions are one process's."""
    model = str(model_dir("gpt2"))
    policy = {
        "id": "causal_lm_actor_critic_policy",
        "args": {"model_name": model, "generation_kwargs": {"do_sample": True, "top_k": 0}},
    }
    alg = {
        "id": "ppo",
        "kl_div": {"coeff": 0.1},
        "args": {"n_steps": 16, "batch_size": 64, "n_epochs": 1},
        "policy": policy,
    }
    config = tmp_path / "run.yml"
    config.write_text(yaml.safe_dump({**CONFIG, "tokenizer": {"model_name": model}, "alg": alg}))
    script = [str(ROOT / "scripts/training/train_text_generation.py"), "--config_path", str(config)]
    store = ["--base_path_to_store_results", str(tmp_path)]
    two = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for name, launcher in (("one", []), ("two", two)):
        command = [sys.executable, *launcher, *script, *store, "--project_name", "p", "--experiment_name", name]
        done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    again = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert again.returncode == 0 and again.stderr.count("finished after iteration 2 of 2") == 1, again.stderr
    first, second = tmp_path / "p" / "one", tmp_path / "p" / "two"
    assert {p.name for p in first.iterdir()} == {p.name for p in second.iterdir()}
    for name in ("epoch_0_val_split_predictions.json", "epoch_2_val_split_predictions.json"):
        assert (first / name).read_text() == (second / name).read_text()
    lines = [(run / "rollout_info.jsonl").read_text().splitlines() for run in (first, second)]
    assert [len(each) for each in lines] == [2, 2]
    for one, other in zip(*lines, strict=True):
        assert json.loads(other) == pytest.approx(json.loads(one), rel=1e-4, abs=1e-6)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
