"""Draws cells of a release, and compares what was made again with what was released: by bytes, or by values.

Bytes are equal on the same packages, threads and kernels (docs/numerics.md, "What equality depends on"); with native
kernels, on the same model of CPU as well. Elsewhere a training takes another course, which is as good as another seed:
so a value must lie as close to the released one as another seed would.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl4lms.core.errors import DataError
from rl4lms.core.io import read_json, read_jsonl
from rl4lms.core.manifest import MANIFEST_FILE
from rl4lms.core.result_keys import REWARD
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.release import Release, SuiteCell, named_cells
from rl4lms.results.release_checks import Rows, compare_job
from rl4lms.results.statistics import student_t_quantile

MISSED = 0.001  # how often an honest value lies beyond the tolerance


@dataclass(frozen=True)
class Draw:
    """The cells to make again. seed: None where they were named."""

    cells: Sequence[SuiteCell]
    n_cells: int
    seed: int | None

    @classmethod
    def of(cls, asked: Sequence[str], release: Release, seed: int) -> Draw:
        """asked: one number, or names of cells. Raises DataError for more cells than there are, or an unknown one."""
        cells = release.cells
        if len(asked) == 1 and asked[0].isdecimal():
            n = int(asked[0])
            if n > len(cells):
                raise DataError(f"--cells {n}: the suite {release.suite} has {len(cells)} cells.")
            chosen = numpy_generator(seed, "verify", release.commit).choice(len(cells), size=n, replace=False)
            return cls([cells[i] for i in sorted(chosen)], len(cells), seed)
        return cls(list(dict.fromkeys(named_cells(asked, cells))), len(cells), None)

    def probability(self, n_forged: int) -> float:
        """That at least one of so many forged cells is among those drawn (without replacement)."""
        kept = math.comb(self.n_cells - n_forged, len(self.cells)) if n_forged <= self.n_cells - len(self.cells) else 0
        return 1.0 - kept / math.comb(self.n_cells, len(self.cells))

    def said(self) -> str:
        """What the draw proves."""
        if self.seed is None:
            return "the cells were named, not drawn: of the others this says nothing."
        some = max(2, round(self.n_cells / 10))
        sure = next(m for m in range(1, self.n_cells + 1) if self.probability(m) >= 0.95)
        return (
            f"a consistent forgery of one cell would have been drawn with probability {self.probability(1):.3f} "
            f"({len(self.cells)} of {self.n_cells}), of {some} cells {self.probability(some):.3f}, and of {sure} "
            "or more with at least 0.95."
        )


def other_arithmetic(release: Release, remade: Mapping[str, Any]) -> str:
    """Why bytes need not be equal: what differs between the release and the run that was made again; "" if nothing.

    remade: manifest.json of a cell that was made again.
    """
    here = {"kernels": remade["kernels"], "threads": remade["threads"], "devices": [remade["device"]]}
    differing = [
        f"{name} {here[name]!r}, released {release.machine[name]!r}"
        for name in here
        if here[name] != release.machine[name]
    ]
    if not differing and remade["device"] != "cpu":
        differing = [f"device {remade['device']}, of which equal bytes are not promised"]
    same = (lambda cpu: cpu) if remade["kernels"] == "native" else cpu_maker
    if not differing and {same(cpu) for cpu in release.machine["cpus"]} != {same(remade["cpu"])}:
        differing = [f"{remade['kernels']} kernels of {remade['cpu']}, released {', '.join(release.machine['cpus'])}"]
    return "; ".join(differing)


def cpu_maker(cpu: str) -> str:
    """Who made a CPU, by its name in a manifest: MKL takes other code on Intel's, whatever set it is told to take."""
    return next((maker for maker in ("AMD", "Intel") if cpu.startswith(maker)), cpu)


def compare_bytes(results: Path, release: Release, cells: Sequence[SuiteCell], rows: Rows) -> tuple[int, list[str]]:
    """(files compared, findings) of cells and all that they were made from, upstream first. results: made again."""
    needed = {directory for cell in cells for directory in release.ancestry(cell)}
    n, findings = 0, list[str]()
    for directory in release.jobs:
        if directory in needed:
            found, differing = compare_job(results, directory, release)
            n, findings = n + found, findings + [f"made again, {each}" for each in differing]
    return n, findings + [line for cell in cells for line in _numbers(results, cell, rows)]


def _numbers(results: Path, cell: SuiteCell, rows: Rows, most: int = 3) -> Iterator[str]:
    """Of a cell, the released numbers that are not those that were made again."""
    again = read_json(results / f"scores/{cell}" / "metrics.json")
    wrong = [(metric, value) for metric, (value, _) in rows.get(cell, {}).items() if again.get(metric) != value]
    for metric, value in wrong[:most]:
        yield f"{cell}: {metric} is {value!r} in scores.csv, made again {again.get(metric)!r}"
    if len(wrong) > most:
        yield f"{cell}: and {len(wrong) - most} more numbers"


def check_curves(folder: Path, results: Path, cells: Sequence[SuiteCell]) -> Iterator[str]:
    """Findings where a drawn cell's rows of curves.csv have a value that its run, made again, did not log then."""
    names = {(cell.task, cell.method, str(cell.seed)): cell for cell in cells}
    path = folder / "curves.csv"
    logged: dict[SuiteCell, dict[str, set[str]]] = {}
    for row in csv.DictReader(path.read_text(encoding="utf-8", errors="replace").splitlines()):
        cell = names.get((row["task"], row["method"], row["seed"]))
        if cell is None:
            continue
        if cell not in logged:
            logged[cell] = _logged(results / f"runs/{cell}")
        if row["value"] not in logged[cell].get(row["iteration"], ()):
            where = f"curves.csv: {cell}, {row['metric']} at {row['iteration']}"
            yield f"{where}: {row['value']} was not logged when made again"


def _logged(run: Path) -> dict[str, set[str]]:
    """Iteration -> every number that a run logged of it, both as a csv file has them."""
    numbers: dict[str, set[str]] = {}
    for row in read_jsonl(run / "rollout_info.jsonl", ["iteration"]):
        numbers.setdefault(str(row["iteration"]), set()).update(_texts(row.values()))
    for row in read_jsonl(run / "val_split_metrics.jsonl", ["epoch", "metrics"]):
        numbers.setdefault(str(row["epoch"]), set()).update(_texts(row["metrics"].values()))
    return numbers


def _texts(values: Iterable[Any]) -> set[str]:
    return {repr(float(value)) for value in values if isinstance(value, int | float)}


def tolerance(rows: Rows, task: str, metric: str) -> float | None:
    """How far a value that was made again may lie from the released one; None where the suite cannot say.

    Both are draws of one distribution, whose variance is that of seeds around their method's mean, pooled over the
    methods of the task: |difference| / (s sqrt 2) follows Student's t, of which MISSED of honest values lie beyond.
    """
    by_method: dict[str, list[float]] = {}
    for cell, scores in rows.items():
        if cell.task == task and metric in scores:
            by_method.setdefault(cell.method, []).append(scores[metric][0])
    squares = sum(float(np.var(values)) * len(values) for values in by_method.values())
    free = sum(len(values) - 1 for values in by_method.values())
    if not free:
        return None
    return student_t_quantile(1.0 - MISSED / 2.0, free) * math.sqrt(2.0 * squares / free)


def compare_values(
    results: Path, cells: Sequence[SuiteCell], rows: Rows, main_metrics: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """(what was compared, findings): the main metric and the reward of each cell, within `tolerance`."""
    said, findings = [], []
    for cell in cells:
        again = read_json(results / f"scores/{cell}" / "metrics.json")
        for metric in dict.fromkeys((main_metrics[cell.task], REWARD)):
            if metric not in rows[cell]:
                continue
            value, width = rows[cell][metric][0], tolerance(rows, cell.task, metric)
            line = f"{cell}: {metric} is {value:.4g}, made again {again.get(metric, math.nan):.4g}"
            if width is None:
                said.append(f"{line}; with one seed no tolerance can be stated")
                continue
            said.append(f"{line}, tolerance {width:.2g}")
            if not abs(again.get(metric, math.nan) - value) <= width:
                findings.append(f"{line}: farther than {width:.2g}, the tolerance between seeds")
    return said, findings


def manifests_of(results: Path, cells: Sequence[SuiteCell]) -> list[dict[str, Any]]:
    """manifest.json of cells that were made again."""
    return [json.loads((results / f"scores/{cell}" / MANIFEST_FILE).read_text(encoding="utf-8")) for cell in cells]
