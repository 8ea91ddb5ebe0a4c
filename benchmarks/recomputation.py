"""Memory and time of PPO's update with gradient checkpointing and without, each in a process of its own.

    python -m benchmarks.recomputation [--size published] [--episodes 8] [--prompt 64] [--response 192]

GPT-2 of random weights, separate value and reference models; one minibatch of the whole rollout, all tokens real. Peaks
are of the process; the update's has weights, gradients and the optimiser's moments of policy and value model in it.
"""

from __future__ import annotations

import os

from rl4lms.core.kernels import environment

os.environ.update(environment())

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ours import Work, build_algorithm
from benchmarks.work import peak_mb


def measure(args: argparse.Namespace, recompute: bool) -> dict[str, float]:
    """Peaks in MB and CPU-seconds of the one update."""
    n_steps = args.episodes * args.response
    work = Work(
        "gpt2", response=args.response, prompt=args.prompt, n_steps=n_steps, n_envs=1, batch_size=n_steps,
        size=args.size,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        policy = {"gradient_checkpointing": recompute}
        algorithm = build_algorithm(work, Path(directory), policy, n_epochs=1)
    update, found = algorithm.train, dict[str, float]()

    def train() -> None:
        found["rollout"], start = peak_mb(), time.process_time()
        update()
        found["seconds"], found["update"] = time.process_time() - start, peak_mb()

    algorithm.train = train  # type: ignore[method-assign]
    algorithm.learn(algorithm.budget, log_interval=None)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Gradient checkpointing: memory and time.")
    parser.add_argument("--size", choices=("small", "published"), default="published")
    for name, default in (("episodes", 8), ("prompt", 64), ("response", 192)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--one", choices=("true", "false"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.one:
        print(json.dumps(measure(args, args.one == "true")))
        return
    print("| gradient_checkpointing | peak after the rollout, MB | after the update, MB | update, CPU-s |")
    print("|---|---|---|---|")
    given = list(argv if argv is not None else sys.argv[1:])
    for recompute in ("false", "true"):
        command = [sys.executable, "-m", "benchmarks.recomputation", *given, "--one", recompute]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        print(f"| {recompute} | {found['rollout']:.0f} | {found['update']:.0f} | {found['seconds']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
