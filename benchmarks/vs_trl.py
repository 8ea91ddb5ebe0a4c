"""An algorithm of ours and that of TRL, on the same work and in turn.

    python -m benchmarks.ppo --vs trl           PPO, in float32: at equal minibatches, and without clipping
    python -m benchmarks.ppo --vs trl --best    and every setting that costs or saves time, each on its own
    python -m benchmarks.ppo --algorithm grpo --vs trl [--epochs N]     GRPO, and the memory of both

PPO's work is that of `benchmarks.ppo` for GPT-2 with 28 episodes (1,344 tokens) an iteration, 5 epochs of 14
minibatches of 2 episodes, separate policy, value and reference models, one thread. TRL 1.12.0, the last release with
PPO, runs by its trainer with its own settings (no gradient checkpointing, no bfloat16), pad and eos outside the model's
vocabulary so that all 48 tokens count, and a negligible reward model. It does not clip gradients, as our default does;
the second row of ours leaves that out, too.

GRPO's work is `benchmarks.work.GROUPS`: the same GPT-2, 4 completions of each of 8 prompts of 256 tokens, one optimiser
step an epoch, which both sides clip. `benchmarks.trl_worker` says where TRL 1.16.0 departs from its own defaults.

TRL lives in an environment of its own, in a process that waits while ours runs; one round is one iteration of each, and
CPU seconds are compared within a round, at equal rate of single-thread sgemm measured before and after the iteration
in the same process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.settings import EQUAL_MINIBATCHES, IN_GROUPS, OTHER_MINIBATCHES, Iteration, Ours, Setting
from rl4lms.core.errors import ConfigError, RunError

ROOT = Path(__file__).resolve().parents[1]
TOKENS = 1280  # the count that CPU seconds are printed for
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(frozen=True)
class Release:
    """A release of TRL and the folder of its environment."""

    version: str
    folder: str

    @property
    def how_to(self) -> str:
        return (
            f"make it with: python3.11 -m venv {self.folder} && "
            f'{self.folder}/bin/pip install -c constraints.txt torch "trl=={self.version}"'
        )

    def command(self, module: str, *arguments: str, python: Path | None = None) -> list[str]:
        """Runs `module` with the environment's Python, or with `python`."""
        python = python or Path(self.folder, "bin", "python")
        if not python.exists():
            raise ConfigError(f"--trl-python: no Python at {python}; {self.how_to}")
        return [str(python.absolute()), "-m", module, *arguments]  # not resolved: it is a link out of its environment

    def failed(self, code: int, errors: str) -> RunError:
        """What to say of a process that ended with `code` and wrote `errors`."""
        said = (errors.strip().splitlines() or ["nothing on stderr"])[-1]
        return RunError(f"TRL's process ended with code {code} ({said}); if its environment is wrong, {self.how_to}")


LAST_WITH_PPO = Release("1.12.0", ".venv-trl")
WITH_GROUPS = Release("1.16.0", ".venv-trl-1.16")
RELEASES = {"ppo": LAST_WITH_PPO, "grpo": WITH_GROUPS}


class TRL:
    """A trainer in its own environment, an iteration at a time. Close it, or use it as a context."""

    def __init__(self, release: Release, command: Sequence[str]) -> None:
        self.release, self.name = release, f"TRL {release.version}"
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed at exit)
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **ENVIRONMENT}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
        )  # fmt: skip
        self.facts = self._reply()

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
            raise self.release.failed(code, self.errors.read())
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


def settings_of(algorithm: str, n_epochs: int | None, every: bool) -> list[Setting]:
    """Ours to compare: the default and what makes it equal to TRL, or every setting that costs or saves time."""
    if algorithm == "grpo":
        if every:
            raise ConfigError("--best: the settings that it measures are PPO's; leave it out with --algorithm grpo.")
        changes = {} if n_epochs is None else {"n_epochs": n_epochs}
        return [replace(setting, algorithm=changes) for setting in IN_GROUPS]
    if n_epochs is not None:
        raise ConfigError("--epochs: only with --algorithm grpo; the work of PPO has 5.")
    return EQUAL_MINIBATCHES + OTHER_MINIBATCHES if every else EQUAL_MINIBATCHES[:2]


def compare_with_trl(
    algorithm: str, python: Path | None, rounds: int, n_epochs: int | None = None, every_setting: bool = False
) -> None:
    if algorithm not in RELEASES:
        raise ConfigError(f"--algorithm {algorithm}: TRL has none to compare with; choose {' or '.join(RELEASES)}.")
    settings, release = settings_of(algorithm, n_epochs, every_setting), RELEASES[algorithm]
    changes = {} if n_epochs is None else {"num_iterations": n_epochs}
    command = release.command("benchmarks.trl_worker", algorithm, json.dumps(changes), python=python)
    with TRL(release, command) as trl:
        for title, facts in trl.facts.items():
            print(f"TRL's {title}: " + ", ".join(f"{name} {value}" for name, value in facts.items()))
        ours = [Ours(setting) for setting in settings]
        print("Ours: " + ", ".join(f"{name} {value}" for name, value in ours[0].facts().items()))
        runs = in_turn({trl.name: trl.iteration} | {each.name: each.iteration for each in ours}, rounds)
    print(f"\nMedian of {rounds} rounds (minimum to maximum); ratios at equal sgemm rate, within a round:\n")
    print(table(runs))
    if len(runs) == 2:  # the peak of our process is that of all settings together
        peaks = (f"{name} {max(d.peak_mb for d in done):.0f} MB" for name, done in runs.items())
        print("\nPeak memory beyond that of the imports: " + ", ".join(peaks))
