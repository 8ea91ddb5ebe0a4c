"""CPU time and memory of one PPO or GRPO iteration, beside what the original RL4LMs takes for the same work.

    python -m benchmarks.ppo [--model gpt2|t5] [--algorithm ppo|nlpo] [--minibatch episodes|transitions]
                          [--dtype float32|bfloat16]
                                            each option may be given twice; without one: both models, ppo, episodes
    python -m benchmarks.ppo --generation   NLPO's generation against PPO's
    python -m benchmarks.ppo --growth       how an iteration's time grows with response, prompt and batch
    python -m benchmarks.ppo --vs trl [--best]      beside TRL's PPO on the same work (`benchmarks/vs_trl.py`)
    python -m benchmarks.ppo --algorithm grpo --vs trl [--rounds N] [--epochs N]     beside TRL's GRPO

Work: 1,280 steps an iteration, batch_size 64 steps, 5 epochs, one thread, float32, separate value and reference
models, random weights, every one of the 48 response tokens real. gpt2: 4 layers, 256 wide, 4 heads, vocabulary 2048,
prompt 32. t5: 4 + 4 layers, d_model 256, d_ff 1024, 4 heads of 64, vocabulary 2048, prompt 64.

The original's figures (CPU-seconds an iteration, on a machine whose one thread does about 100 GFLOP/s of sgemm) were
measured once on its own code; ours are measured here, beside the sgemm rate of the same process, and compared at
equal rate. The floor of an update is the time its matrix products would take at that rate, backward included.
"""

from __future__ import annotations

import os

from rl4lms.core.kernels import environment

os.environ.update(environment(n_threads=1))  # as a stage computes
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import argparse
import itertools
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.ours import N_ENVS, N_STEPS, Work, build_algorithm
from benchmarks.vs_trl import RELEASES, compare_with_trl
from benchmarks.work import N_EPOCHS, PROMPT, peak_mb, sgemm_gflops
from rl4lms.algorithms.on_policy_text import TextRollouts
from rl4lms.cli.main import keep_freed_memory
from rl4lms.core.errors import RunError, report_error

ORIGINAL_CPU_S = {("gpt2", "ppo"): 405.7, ("t5", "ppo"): 633.8, ("gpt2", "nlpo"): 419.2}
ORIGINAL_GFLOPS = 100.0
KINDS = ("gpt2", "t5")


class _Clock:
    """CPU seconds of a method's calls."""

    def __init__(self, owner: Any, name: str) -> None:
        self.inner, self.seconds = getattr(owner, name), 0.0
        setattr(owner, name, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        result = self.inner(*args, **kwargs)
        self.seconds = time.process_time() - start
        return result


def measure(algorithm: TextRollouts, iterations: int) -> list[dict[str, float]]:
    """CPU seconds of generation, rollout and update, optimiser steps, the sgemm rate beside them; a row an iteration.

    rollout_gb, update_gb: the process's peak memory after the first of each.
    """
    clocks = {name: _Clock(algorithm, method) for name, method in (("rollout", "collect_rollouts"), ("train", "train"))}
    clocks["generate"] = _Clock(algorithm.policy, "generate")
    step = algorithm.policy.optimizer.step
    n_steps = 0
    peaks: dict[str, float] = {}

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal n_steps
        n_steps += 1
        peaks.setdefault("rollout_gb", peak_mb() / 2**10)
        return step(*args, **kwargs)

    algorithm.policy.optimizer.step = counted  # type: ignore[method-assign]
    rows = []
    for _ in range(iterations + 1):
        n_steps = 0
        before = sgemm_gflops()
        algorithm.learn(algorithm.n_steps * algorithm.n_envs, log_interval=None)  # type: ignore[arg-type]
        rate = (before + sgemm_gflops()) / 2
        peaks.setdefault("update_gb", peak_mb() / 2**10)
        seconds = {name: clock.seconds for name, clock in clocks.items()}
        rows.append({**seconds, **peaks, "gflops": rate, "steps": n_steps})
    return rows[1:]  # the first warms up allocator and caches


def update_flops(algorithm: TextRollouts) -> float:
    """Floating-point operations of the matrix products of one `train()` on the rollout that is there."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        algorithm.train()
    return float(counter.get_total_flops())


HEADER = (
    "model  algorithm  minibatch    dtype     generate_s  rollout_s  train_s  total_s  sgemm_GF/s  opt_steps"
    "  tokens/minibatch  train/floor  rollout_GB  update_GB  times_less_at_equal_sgemm"
)


def as_a_stage() -> None:
    """One thread, and memory as `rl4lms train` has it."""
    torch.set_num_threads(1)
    keep_freed_memory()


def compare(work: Work, iterations: int) -> None:
    as_a_stage()
    with tempfile.TemporaryDirectory() as directory:
        algorithm = build_algorithm(work, Path(directory))
        rows = measure(algorithm, iterations)
        flops = update_flops(algorithm)
    name, original = (
        f"{work.kind:5}  {work.algorithm:9}  {work.minibatch:11}  {work.dtype:8}",
        ORIGINAL_CPU_S.get((work.kind, work.algorithm)),
    )
    ratios = []
    for row in rows:
        total = row["rollout"] + row["train"]
        ratios.append(original * ORIGINAL_GFLOPS / (total * row["gflops"]) if original else float("nan"))
        tokens = N_STEPS * N_ENVS * N_EPOCHS / row["steps"]
        print(
            f"{name}  {row['generate']:10.2f}  {row['rollout']:9.2f}  {row['train']:7.2f}  {total:7.2f}"
            f"  {row['gflops']:10.1f}  {row['steps']:9.0f}  {tokens:16.1f}"
            f"  {row['train'] * row['gflops'] * 1e9 / flops:11.2f}"
            f"  {row['rollout_gb']:10.2f}  {row['update_gb']:9.2f}  {ratios[-1]:6.1f}"
        )
    print(f"{name}  median of {len(rows)}: {statistics.median(ratios):.1f} times less CPU time")


def compare_each(works: Sequence[Work], iterations: int) -> None:
    """Each in a process of its own, so that its peak of memory is its own."""
    print(HEADER, flush=True)
    for work in works:
        process = multiprocessing.get_context("spawn").Process(target=compare, args=(work, iterations))
        process.start()
        process.join()
        if process.exitcode:
            raise RunError(f"{work.kind} {work.algorithm}: the benchmark ended with code {process.exitcode}.")


def generation(kind: str, iterations: int) -> None:
    """NLPO's generation against PPO's, in turn in one process: both decode the same prompts."""
    with tempfile.TemporaryDirectory() as directory:
        algorithms = {name: build_algorithm(Work(kind, name), Path(directory)) for name in ("ppo", "nlpo")}
    clocks = {name: _Clock(algorithm.policy, "generate") for name, algorithm in algorithms.items()}
    seconds: dict[str, list[float]] = {name: [] for name in algorithms}
    for iteration in range(iterations + 1):
        for name, algorithm in algorithms.items():
            algorithm.collector.collect(algorithm.policy, iteration)
            seconds[name].append(clocks[name].seconds)
    ppo, nlpo = (statistics.median(seconds[name][1:]) for name in ("ppo", "nlpo"))
    print(f"{kind:5}  generation, CPU-s: ppo {ppo:.2f}, nlpo {nlpo:.2f}, {nlpo / ppo:.2f} times")


def growth(iterations: int) -> None:
    """GPT-2 PPO; one length moves at a time. An episode's tokens are its prompt's and its response's."""
    shapes = [{"response": n} for n in (16, 32, 64, 128, 256)]
    shapes += [{"prompt": n} for n in (32, 64, 128, 256, 512)]
    shapes += [{"batch_size": n} for n in (64, 256, 1280)]
    print("response  prompt  batch_size  tokens  rollout_s  train_s  train_us_per_token  sgemm_GF/s")
    for shape in shapes:
        work = Work("gpt2", **shape)
        with tempfile.TemporaryDirectory() as directory:
            rows = measure(build_algorithm(work, Path(directory)), iterations)
        rollout, train, rate = (statistics.median(row[k] for row in rows) for k in ("rollout", "train", "gflops"))
        prompt = work.prompt or PROMPT["gpt2"]
        tokens = work.n_steps * N_ENVS / work.response * (prompt + work.response)
        print(
            f"{work.response:8}  {prompt:6}  {work.batch_size:10}  {tokens:6.0f}  {rollout:9.2f}  {train:7.2f}"
            f"  {1e6 * train / N_EPOCHS / tokens:18.0f}  {rate:10.1f}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=KINDS, action="append")
    parser.add_argument("--iterations", "--rounds", type=int, default=5)
    parser.add_argument("--minibatch", choices=["episodes", "transitions"], action="append", help="default: episodes")
    parser.add_argument("--algorithm", choices=["ppo", "nlpo", "grpo"], action="append", help="default: ppo")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], action="append", help="default: float32")
    parser.add_argument("--generation", action="store_true")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--vs", choices=["trl"], help="run this library on the same work, in turn with ours")
    parser.add_argument("--epochs", type=int, metavar="N", help="with --vs and --algorithm grpo: of an iteration")
    folders = ", ".join(f"{release.folder} for {algorithm}" for algorithm, release in RELEASES.items())
    parser.add_argument("--trl-python", type=Path, metavar="PATH", help=f"default: that of {folders}")
    parser.add_argument("--best", action="store_true", help="with --vs: our other settings, too, each on its own")
    args = parser.parse_args(argv)
    if "grpo" in (args.algorithm or []) and not args.vs:
        parser.error("--algorithm grpo: only with --vs trl, for the original RL4LMs has none")
    as_a_stage()
    if args.vs:
        try:
            for algorithm in args.algorithm or ["ppo"]:
                compare_with_trl(algorithm, args.trl_python, args.iterations, args.epochs, every_setting=args.best)
        except Exception as error:
            return report_error(error)
        return 0
    if args.generation:
        for kind in args.model or KINDS:
            generation(kind, args.iterations)
        return 0
    if args.growth:
        growth(args.iterations)
        return 0
    choices = itertools.product(
        args.model or KINDS, args.algorithm or ["ppo"], args.minibatch or ["episodes"], args.dtype or ["float32"]
    )
    compare_each([Work(*choice) for choice in choices], args.iterations)
    return 0


if __name__ == "__main__":
    sys.exit(main())
