"""Our PPO and that of TRL 1.12.0, the last release with one, on the same work and in turn.

    python -m benchmarks.ppo --vs trl           the default in float32, at equal minibatches, and without clipping
    python -m benchmarks.ppo --vs trl --best    and every setting that costs or saves time, each on its own

The work is that of `benchmarks.ppo` for GPT-2 with 28 episodes (1,344 tokens) an iteration, 5 epochs of 14 minibatches
of 2 episodes, separate policy, value and reference models, one thread. TRL runs by its trainer with its own settings
(no gradient checkpointing, no bfloat16), pad and eos outside the model's vocabulary so that all 48 tokens count, and a
negligible reward model. It does not clip gradients, as our default does; the second row of ours leaves that out, too.
TRL lives in an environment of its own, in a process that waits while ours runs; one round is
one iteration of each, and CPU seconds are compared within a round, at equal rate of single-thread sgemm measured
before and after the iteration in the same process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.settings import EQUAL_MINIBATCHES, OTHER_MINIBATCHES, Iteration, Ours
from rl4lms.core.errors import ConfigError, RunError

ROOT = Path(__file__).resolve().parents[1]
TRL_PYTHON = Path(".venv-trl/bin/python")
HOW_TO = (
    'make it with: python3.11 -m venv .venv-trl && .venv-trl/bin/pip install -c constraints.txt torch "trl==1.12.0"'
)
TOKENS = 1280  # the count that CPU seconds are printed for
WORKER = ["-m", "benchmarks.trl_worker"]


class TRL:
    """The trainer in its own environment, an iteration at a time. Close it, or use it as a context."""

    name = "TRL 1.12.0"

    def __init__(self, python: Path, arguments: Sequence[str] = WORKER) -> None:
        if not python.exists():
            raise ConfigError(f"--trl-python: no Python at {python}; {HOW_TO}")
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed at exit)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        # Not resolved: a virtual environment's python is a link out of it.
        self.process = subprocess.Popen(
            [str(python.absolute()), *arguments], cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
        )  # fmt: skip
        self.versions = self._reply()

    def iteration(self) -> Iteration:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended; why, the missing reply says
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        return Iteration(**self._reply())

    def _reply(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines() or ["nothing on stderr"]
            raise RunError(f"TRL's process ended with code {code} ({said[-1]}); if its environment is wrong, {HOW_TO}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def __enter__(self) -> TRL:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()  # ends it
        self.process.wait()
        self.errors.close()


Runs = dict[str, list[Iteration]]


def in_turn(contenders: Mapping[str, Callable[[], Iteration]], rounds: int) -> Runs:
    """Iterations by name, one of each a round, after a round that warms up."""
    runs: Runs = {name: [] for name in contenders}
    print(f"{'round':5}  {'':37}  cpu_s  sgemm_GF/s  tokens")
    for number in range(rounds + 1):
        for name, iteration in contenders.items():
            done = iteration()
            label = str(number) if number else "warm"
            print(f"{label:5}  {name:37}  {done.cpu_s:5.2f}  {done.gflops:10.1f}  {done.tokens:6}", flush=True)
            if number:
                runs[name].append(done)
    return runs


def spread(values: Sequence[float]) -> str:
    """Median (minimum to maximum)."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def times_faster(slower: Sequence[Iteration], faster: Sequence[Iteration]) -> list[float]:
    """Ratio of the costs of a token, round by round."""
    return [a.cost / b.cost for a, b in zip(slower, faster, strict=True)]


def table(runs: Runs) -> str:
    """Markdown: the first row is TRL's, the second our default."""
    trl, default = list(runs)[:2]
    lines = [
        f"| | CPU-s for {TOKENS:,} tokens | sgemm, GFLOP/s | times faster than TRL | than the default |",
        "|---|---|---|---|---|",
    ]
    for name, done in runs.items():
        seconds = spread([d.cpu_s * TOKENS / d.tokens for d in done])
        rate = f"{min(d.gflops for d in done):.0f} to {max(d.gflops for d in done):.0f}"
        over_trl = "" if name == trl else spread(times_faster(runs[trl], done))
        gain = "" if name in (trl, default) else spread(times_faster(runs[default], done))
        lines.append(f"| {name} | {seconds} | {rate} | {over_trl} | {gain} |")
    return "\n".join(lines)


def compare_with_trl(python: Path, rounds: int, every_setting: bool) -> None:
    settings = EQUAL_MINIBATCHES + OTHER_MINIBATCHES if every_setting else EQUAL_MINIBATCHES[:2]
    with TRL(python) as trl:
        print("TRL's environment: " + ", ".join(f"{name} {version}" for name, version in trl.versions.items()))
        ours = [Ours(setting) for setting in settings]
        runs = in_turn({trl.name: trl.iteration} | {each.name: each.iteration for each in ours}, rounds)
    print(f"\nMedian of {rounds} rounds (minimum to maximum); ratios at equal sgemm rate, within a round:\n")
    print(table(runs))
