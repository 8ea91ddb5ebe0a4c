"""Tokens per second of rollout and update at the published sizes, and the share of the device's own matrix rate.

    python -m benchmarks.gpu [--model gpt2|t5] [--dtype float32|bfloat16] [--device cuda] [--episodes 256]

Random weights in the shapes of gpt2 (124 M) and t5-base (223 M); prompt 64, response 48, all real; separate value and
reference models; minibatches of 32 episodes, 2 epochs. Rates are of wall time after one iteration to warm up; the
matrix rate is that of 4096 x 4096 x 4096 products in the same dtype. Operations are those of matrix products alone.
"""

from __future__ import annotations

import os

from rl4lms.core.kernels import environment

os.environ.update(environment())

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.ours import Work, build_algorithm
from benchmarks.work import RESPONSE

PROMPT_LENGTH, EPISODES_A_MINIBATCH, N_EPOCHS = 64, 32, 2


def seconds_of(run: Callable[[], Any], device: torch.device) -> float:
    """Wall seconds, everything queued on the device included."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def matrix_rate(device: torch.device, dtype: torch.dtype, n: int, repeats: int = 20) -> float:
    """Floating-point operations a second of n x n x n products."""
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    a @ b
    return 2 * n**3 * repeats / seconds_of(lambda: [a @ b for _ in range(repeats)], device)


def operations(run: Callable[[], Any]) -> float:
    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops())


def measure(kind: str, args: argparse.Namespace) -> None:
    device, dtype = torch.device(args.device), getattr(torch, args.dtype)
    work = Work(
        kind, prompt=PROMPT_LENGTH, size=args.size, n_envs=args.episodes, n_steps=RESPONSE,
        batch_size=EPISODES_A_MINIBATCH * RESPONSE,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        policy = {"dtype": args.dtype}
        algorithm = build_algorithm(work, Path(directory), policy, device=args.device, n_epochs=N_EPOCHS)

    def collect() -> None:
        batch = algorithm.collector.collect(algorithm.policy, algorithm.iteration)
        algorithm.rollout_buffer.add_episodes(batch, algorithm.iteration)

    steps = {"rollout": collect, "update": algorithm.train}
    flops = {name: operations(step) for name, step in steps.items()}  # which warms up, too
    rate = matrix_rate(device, dtype, args.matrix)
    tokens = {"rollout": args.episodes * RESPONSE, "update": args.episodes * RESPONSE * N_EPOCHS}
    for name, step in steps.items():
        seconds = statistics.median(seconds_of(step, device) for _ in range(args.iterations))
        share = flops[name] / seconds / rate
        print(
            f"{kind:5}  {args.dtype:8}  {name:7}  {seconds:9.3f}  {tokens[name] / seconds:12,.0f}"
            f"  {rate / 1e12:13.2f}  {100 * share:7.1f}"
        )
    if device.type == "cuda":
        print(f"{kind:5}  peak memory on the device: {torch.cuda.max_memory_allocated(device) / 2**30:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["gpt2", "t5"], action="append")
    parser.add_argument("--size", choices=["published", "small"], default="published")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--episodes", type=int, default=256)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--matrix", type=int, default=4096, help="rows of the square matrices of the matrix rate")
    args = parser.parse_args()
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("--device cuda: there is no CUDA device here; --device cpu --size small tries the command.")
    print("model  dtype     stage     seconds  resp_tokens/s  matrix_TFLOP/s  share_%")
    for kind in args.model or ["gpt2", "t5"]:
        measure(kind, args)


if __name__ == "__main__":
    main()
