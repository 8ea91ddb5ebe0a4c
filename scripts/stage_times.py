"""Where a benchmark's time went: jobs, wall clock, CPU time and memory by stage, or of its trainings by method.

    python scripts/stage_times.py results/mini [--by method]

Wall clock is Snakemake's benchmark files'; CPU time and memory are what each stage says at the end of its log, for
Snakemake samples jobs of seconds too rarely, and sees nothing of a job that another process forked for it.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

COST = re.compile(r"^(?:.* )?(\d+(?:\.\d+)?) CPU s, (\d+) MB$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """name: of a job of `train`, <task>_<method>_seed<k>. wall, cpu: seconds; memory: peak resident MB.

    None where it is not known.
    """

    stage: str
    name: str
    wall: float
    cpu: float | None
    memory: float | None

    @classmethod
    def read(cls, benchmark: Path, log: Path) -> Job:
        with benchmark.open(encoding="utf-8") as f:
            row = next(csv.DictReader(f, delimiter="\t"))
        said = COST.findall(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else []
        cpu, memory = map(float, said[-1]) if said else (None, None)
        return cls(benchmark.parent.name, benchmark.stem, float(row["s"]), cpu, memory)


def read_jobs(results: Path) -> list[Job]:
    """Every job of a suite whose benchmark file is there."""
    benchmarks = results / "benchmarks"
    return [
        Job.read(path, results / "logs" / path.relative_to(benchmarks).with_suffix(".log"))
        for path in sorted(benchmarks.glob("*/*.tsv"))
    ]


def trainings(jobs: Iterable[Job], runs: Path) -> list[Job]:
    """The jobs that trained a run, each with its method in place of its stage. runs: results/<suite>/runs."""
    methods = {f"{path.parent.name}_{path.name}": path.name for path in runs.glob("*/*") if path.is_dir()}
    jobs = [job for job in jobs if job.stage in ("supervised", "train")]
    return [
        job if job.stage == "supervised" else replace(job, stage=methods[job.name.rpartition("_seed")[0]])
        for job in jobs
    ]


def table(jobs: Iterable[Job], head: str = "stage") -> str:
    """One line a stage and one for all."""
    jobs = list(jobs)
    lines = [f"{head:<18}{'jobs':>6}{'wall s':>10}{'CPU s':>10}{'mean CPU s':>12}{'max CPU s':>12}{'max MB':>10}"]
    lines += [
        _line(stage, [job for job in jobs if job.stage == stage]) for stage in dict.fromkeys(j.stage for j in jobs)
    ]
    return "\n".join([*lines, _line("all", jobs)])


def _line(name: str, jobs: list[Job]) -> str:
    cpu = [job.cpu for job in jobs if job.cpu is not None]
    memory = [job.memory for job in jobs if job.memory is not None]
    known = len(cpu) == len(jobs)
    numbers = (sum(cpu), sum(cpu) / len(jobs), max(cpu)) if known else None
    shown = "".join(f"{x:>{w}.1f}" for x, w in zip(numbers, (10, 12, 12), strict=True)) if numbers else f"{'-':>34}"
    return f"{name:<18}{len(jobs):>6}{sum(job.wall for job in jobs):>10.1f}{shown}{max(memory, default=0):>10.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="results/<suite>")
    parser.add_argument("--by", choices=("stage", "method"), default="stage", help="default: %(default)s")
    args = parser.parse_args()
    results, jobs = args.results, read_jobs(args.results)
    if not jobs:
        print(f"error: {results}/benchmarks: no jobs there; run the benchmark first (make grue).", file=sys.stderr)
        return 2
    print(table(trainings(jobs, results / "runs") if args.by == "method" else jobs, args.by))
    return 0


if __name__ == "__main__":
    sys.exit(main())
