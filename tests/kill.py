"""Kill the stages of suite `tiny` at random moments, run the same commands again, compare every byte.

`python -m tests.kill --n 20 --writes 20 --seed 0` runs the suite uninterrupted in one copy of the project and, in
another, kills (-9, the process group) n times at a random moment of a stage's CPU time and a further number of times
just before one of its writes (a rename, link, fsync, truncation or removal). It prints a table and ends with 1 where
anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl4lms.cli.main import STAGES
from rl4lms.core.io import sha256_file
from rl4lms.core.work_directory import work_path
from tests.pipeline.checkout import Checkout

WRITES = Path(__file__).with_name("kill_at_write.py")
RESUMED = re.compile(r"(?:resumed|finished) after ((?:iteration|step) \d+)")
TICK_S = 0.004


@dataclass
class Job:
    """One stage command. cpu_s, n_writes: of an uninterrupted run."""

    command: list[str]
    outputs: list[str]
    cpu_s: float = 0.0
    n_writes: int = 0

    @property
    def stage(self) -> str:
        return self.command[3]

    @property
    def out(self) -> Path:
        return Path(self.command[self.command.index("--out") + 1])

    @property
    def name(self) -> str:
        """Task, method, seed, or what the stage has instead."""
        options = [self.command.index(o) for o in ("--task", "--method", "--family", "--name") if o in self.command]
        return " ".join(self.command[i + 1] for i in options) or "tables"


@dataclass
class Kill:
    """Where a job is killed: at a share of its CPU time, or before its write number `write`."""

    job: Job
    share: float = 0.0
    write: int = 0
    when: str = ""
    phase: str = ""
    resumed: str = ""
    identical: bool = False


def ordered(jobs: list[dict[str, Any]]) -> list[Job]:
    """Snakemake's jobs, each after those whose outputs it reads."""
    todo, made, done = list(jobs), {file for job in jobs for file in job["outputs"]}, []
    while todo:
        ready = [job for job in todo if not made & set(job["inputs"])]
        for job in ready:
            done.append(Job(shlex.split(job["command"]), job["outputs"]))
            made -= set(job["outputs"])
            todo.remove(job)
    return done


def run(checkout: Checkout, job: Job, kill: Kill | None = None, count: Path | None = None) -> tuple[int, str, float]:
    """(exit code, what it said, CPU seconds) of a job's command; killed where `kill` says. count: takes its writes."""
    command = [sys.executable, *job.command[1:]]
    if count is not None or (kill is not None and kill.write):
        command = [sys.executable, str(WRITES), str(kill.write if kill else 0), str(count or os.devnull)]
        command += job.command[3:]
    environment = {**os.environ, "PYTHONPATH": str(checkout.path), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=checkout.path, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    cpu, started = 0.0, time.time()
    while kill is not None and not kill.write and process.poll() is None:
        cpu = cpu_seconds(process.pid)
        if cpu >= kill.share * job.cpu_s:
            os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(TICK_S)
    said, _ = process.communicate()
    if kill is not None:
        kill.when = f"{cpu:.1f} s" if not kill.write else said.strip().splitlines()[-1]
        kill.phase = phase(checkout, job, started)
    match = re.search(r"([\d.]+) CPU s", said)
    return process.returncode, said, float(match.group(1)) if match else 0.0


def cpu_seconds(pid: int) -> float:
    """User and system time of a running process; infinite once it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("inf")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def phase(checkout: Checkout, job: Job, started: float) -> str:
    """How far the job that began at time `started` had got, from what it left."""
    out = checkout.path / job.out
    made = [path for file in job.outputs if (path := checkout.path / file).exists()]
    published = sum(path.stat().st_ctime >= started for path in made)
    if published:
        return f"{published} of {len(job.outputs)} files published"
    work = work_path(out)
    if not work.exists():
        return "writing" if list(out.parent.glob(f".{out.name}.new.*")) else "before its first file"
    newest = max((int(p.name) for p in (work / "checkpoints").glob("[0-9]*")), default=None)
    return "before its first checkpoint" if newest is None else f"checkpoint {newest} there"


def plan(jobs: list[Job], n: int, n_writes: int, rng: random.Random) -> list[Kill]:
    """Every stage is hit once before any is hit twice; jobs of a stage, moments and writes are drawn."""
    by_stage = [[job for job in jobs if job.stage == stage] for stage in STAGES]
    by_stage = [group for group in by_stage if group]
    chosen = [rng.choice(by_stage[i]) if i < len(by_stage) else rng.choice(jobs) for i in range(n)]
    kills = [Kill(job, share=rng.uniform(0.02, 0.98)) for job in chosen]
    chosen = [rng.choice(by_stage[i]) if i < len(by_stage) else rng.choice(jobs) for i in range(n_writes)]
    return kills + [Kill(job, write=rng.randint(1, job.n_writes)) for job in chosen]


def measure(checkout: Checkout, jobs: list[Job]) -> dict[str, str]:
    """Run the suite uninterrupted; output -> digest."""
    for job in jobs:
        count = checkout.path / ".writes"
        code, said, job.cpu_s = run(checkout, job, count=count)
        if code:
            raise SystemExit(f"{shlex.join(job.command)}: exit code {code}\n{said}")
        job.n_writes = int(count.read_text())
    return {file: sha256_file(checkout.path / file) for job in jobs for file in job.outputs}


def interrupt(checkout: Checkout, jobs: list[Job], kills: list[Kill], expected: dict[str, str]) -> None:
    """Run the suite with its kills, each followed by the same command."""
    for job in jobs:
        own = [kill for kill in kills if kill.job is job]
        for before, kill in zip([None, *own], [*own, None], strict=True):
            code, said, _ = run(checkout, job, kill)
            if kill is None and code:
                raise SystemExit(f"after its kill: {shlex.join(job.command)}: exit code {code}\n{said}")
            if kill is not None and code == 0:
                kill.phase = "had ended"
            if before is not None:
                match = RESUMED.search(said)
                before.resumed = match.group(1) if match else "start" if kill is None else "killed again first"
    for kill in kills:
        kill.identical = all(sha256_file(checkout.path / file) == expected[file] for file in kill.job.outputs)


def table(kills: list[Kill]) -> str:
    lines = ["| stage | run | killed after | it had got to | the same command resumed from | identical |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for kill in kills:
        answer = "yes" if kill.identical else "**no**"
        row = (kill.job.stage, kill.job.name, kill.when, kill.phase, kill.resumed, answer)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def trial(
    directory: Path, n: int, n_writes: int, seed: int, only: Sequence[str] | None = None
) -> tuple[list[Kill], list[str]]:
    """The kills and what became of them, and the outputs of the whole suite that differ. only: stages to run."""
    whole, killed = (Checkout.make(directory / name, stub=False) for name in ("whole", "killed"))
    jobs = [job for job in ordered(whole.jobs(suite="tiny")) if only is None or job.stage in only]
    expected = measure(whole, jobs)
    kills = plan(jobs, n, n_writes, random.Random(seed))
    interrupt(killed, jobs, kills, expected)
    return kills, [file for file, digest in expected.items() if sha256_file(killed.path / file) != digest]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20, help="kills at random moments (default: %(default)s)")
    parser.add_argument("--writes", type=int, default=0, help="kills before random writes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(STAGES), help="stages that are run (default: all)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        kills, differing = trial(Path(directory), args.n, args.writes, args.seed, args.only)
    print(table(kills))
    print(f"\n{len(kills)} kills; outputs of the suite that differ: {', '.join(differing) or 'none'}.")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
