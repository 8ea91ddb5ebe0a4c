"""Where a benchmark's time went: jobs, wall clock, CPU time and memory by stage, from Snakemake's benchmark files.

    python scripts/stage_times.py results/mini/benchmarks
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable
from pathlib import Path

COLUMNS = ("stage", "jobs", "wall s", "CPU s", "mean CPU s", "max CPU s", "max MB")


def stage_rows(directory: Path) -> list[tuple[str, int, float, float, float, float, float]]:
    """One row a stage, COLUMNS. The CPU time is of the job's own process and its children."""
    rows = []
    for stage in sorted(path for path in directory.iterdir() if path.is_dir()):
        jobs = [_read(path) for path in sorted(stage.glob("*.tsv"))]
        if jobs:
            wall, cpu, memory = zip(*jobs, strict=True)
            rows.append((stage.name, len(jobs), sum(wall), sum(cpu), sum(cpu) / len(jobs), max(cpu), max(memory)))
    return rows


def _read(path: Path) -> tuple[float, float, float]:
    """(wall s, CPU s, MB) of a job; Snakemake writes NA or - where a job was too short to be sampled."""
    with path.open(encoding="utf-8") as f:
        row = next(csv.DictReader(f, delimiter="\t"))
    return _number(row["s"]), _number(row["cpu_time"]), _number(row["max_rss"])


def _number(text: str) -> float:
    return 0.0 if text in ("NA", "-") else float(text)


def table(rows: Iterable[tuple[str, int, float, float, float, float, float]]) -> str:
    rows = list(rows)
    total = ("all", *(sum(row[i] for row in rows) for i in (1, 2, 3)))
    lines = ["".join(f"{name:>{width}}" for name, width in zip(COLUMNS, (-14, 6, 10, 10, 12, 12, 10), strict=True))]
    lines = [f"{'stage':<14}{'jobs':>6}{'wall s':>10}{'CPU s':>10}{'mean CPU s':>12}{'max CPU s':>12}{'max MB':>10}"]
    lines += [f"{s:<14}{n:>6}{w:>10.1f}{c:>10.1f}{m:>12.1f}{x:>12.1f}{r:>10.0f}" for s, n, w, c, m, x, r in rows]
    lines.append(f"{total[0]:<14}{total[1]:>6}{total[2]:>10.1f}{total[3]:>10.1f}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("directory", type=Path, help="results/<suite>/benchmarks")
    directory = parser.parse_args().directory
    if not directory.is_dir():
        print(f"error: {directory}: no such directory; run the benchmark first (make grue).", file=sys.stderr)
        return 2
    print(table(stage_rows(directory)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
