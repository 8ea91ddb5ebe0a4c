"""Do the released tables follow from scores.csv? An independent, slow definition of every number that does.

What takes more than the corpus values (bootstrap bounds, p-values, curves) is counted as unchecked: it takes the
predictions, and `verify --results` makes it again.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rl4lms.config.compose import SUPERVISED, starting_point
from rl4lms.config.labels import STATISTICS, method_label, task_label
from rl4lms.core.result_keys import KL_PER_SEQUENCE, KL_PER_TOKEN, REWARD, TOKENS
from rl4lms.results.release_checks import Rows
from rl4lms.results.statistics import student_t_quantile
from rl4lms.results.suite import MetricScale

# Table of grue.csv -> the metric that it shows; other raw tables are named by their metric.
_RAW = {REWARD: REWARD, "kl_per_token": KL_PER_TOKEN, "kl_per_sequence": KL_PER_SEQUENCE, TOKENS: TOKENS}
_SHOWN = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_BOUNDS = (":low", ":high")


@dataclass(frozen=True)
class Definitions:
    """What the suite's params at its commit say of the tables. level: of the intervals."""

    main_metrics: Mapping[str, str]
    scales: Mapping[str, MetricScale]
    naturalness: tuple[str, ...]
    gain_scales: Mapping[str, float]
    level: float

    @classmethod
    def of(
        cls, numbers: Mapping[str, Any], main_metrics: Mapping[str, str], own_bounds: Mapping[str, Any]
    ) -> Definitions:
        """numbers: params/grue.yaml with the suite's overlay, as it is written. own_bounds: of results of own tasks."""
        aggregate = numbers["aggregate"]
        entries = {**own_bounds, **aggregate["metrics"]}
        scales = {k: MetricScale(float(e["worst"]), float(e["best"]), bool(e.get("log"))) for k, e in entries.items()}
        natural = tuple(key for key, entry in entries.items() if entry["kind"] == "naturalness")
        level = aggregate.get("bootstrap", {}).get("confidence", 0.95)
        return cls(main_metrics, scales, natural, aggregate.get("gain_scale", {}), float(level))


@dataclass
class TableCheck:
    """What was found of the tables. checked, unchecked: how many of their numbers."""

    findings: list[str] = field(default_factory=list)
    checked: int = 0
    unchecked: int = 0

    def number(self, where: str, said: float, expected: float | None) -> None:
        """Compare a number with its definition; None where it has none here."""
        if expected is None:
            self.unchecked += 1
            return
        self.checked += 1
        if not math.isclose(said, expected, rel_tol=1e-9, abs_tol=1e-12):
            self.findings.append(f"{where} is {said!r}, but {expected!r} by scores.csv")


class _Values:
    """Values over seeds by definition. seeds: of scores.csv, sorted."""

    def __init__(self, rows: Rows, definitions: Definitions) -> None:
        self.rows, self.definitions = rows, definitions
        self.cells: dict[tuple[str, str], list[Any]] = {}
        for cell in rows:
            self.cells.setdefault((cell.task, cell.method), []).append(cell)

    def raw(self, task: str, method: str, metric: str) -> list[float] | None:
        cells = self.cells.get((task, method), [])
        return (
            [self.rows[c][metric][0] for c in cells] if cells and all(metric in self.rows[c] for c in cells) else None
        )

    def scaled(self, task: str, method: str, metric: str) -> np.ndarray[Any, Any] | None:
        values, scale = self.raw(task, method, metric), self.definitions.scales.get(metric)
        return None if values is None or scale is None else scale.normalise(values)

    def gains(self, method: str) -> np.ndarray[Any, Any] | None:
        """(tasks, seeds) gains of a method over the warm start of the same seed, in units of `gain_scale`."""
        rows = []
        for task, metric in self.definitions.main_metrics.items():
            scale = self.definitions.scales.get(metric)
            values, starts = (self.raw(task, each, metric) for each in (method, SUPERVISED))
            if scale is None or values is None or starts is None or len(values) != len(starts):
                return None
            worst, best = scale.transformed([scale.worst, scale.best])
            unit = self.definitions.gain_scales.get(task, abs(best - worst)) * (1 if scale.higher_is_better else -1)
            rows.append((scale.transformed(values) - scale.transformed(starts)) / unit)
        return np.stack(rows)

    def statistic(self, name: str, method: str) -> float | None:
        """One of STATISTICS of a method's gains."""
        known = dict.fromkeys(method for _, method in self.cells)
        warm = [each for each in known if SUPERVISED in (each, starting_point(each))]
        gains = {each: found for each in warm if (found := self.gains(each)) is not None}
        if method not in gains:
            return None
        own = gains[method]
        if name == "iqm":
            cut = own.size // 4
            return float(np.sort(own, axis=None)[cut : own.size - cut].mean())
        if name == "rank":
            others = np.stack(list(gains.values()))
            return float(((others > own).sum(axis=0) + ((others == own).sum(axis=0) + 1) / 2).mean())
        return float(own.mean() if name == "mean" else np.median(own.mean(axis=1)))

    def of(self, table: str, column: str, method: str) -> list[float] | None:
        """The values over seeds whose mean a table shows in a column; None where this module does not know it."""
        defined = self.definitions
        if table == "gains" and column in STATISTICS:
            found = self.statistic(column, method)
            return None if found is None else [found]
        if table == "gains":
            gains = self.gains(method)
            return None if gains is None else list(gains[[*defined.main_metrics].index(column)])
        if column == "average":
            by_task = [self.of(table, task, method) for task in defined.main_metrics]
            if table == "task":
                main = [self.scaled(task, method, metric) for task, metric in defined.main_metrics.items()]
                by_task = [None if values is None else list(values) for values in main]
                return None if None in by_task else [float(np.mean([np.mean(v) for v in by_task if v is not None]))]
            known = [float(np.mean(values)) for values in by_task if values is not None]
            return [float(np.mean(known))] if known and table == "naturalness" else None
        if table == "naturalness":
            measured = [m for m in defined.naturalness if self.raw(column, method, m) is not None]
            scores = [self.scaled(column, method, metric) for metric in measured]
            return list(np.mean([s for s in scores if s is not None], axis=0)) if scores else None
        metric = defined.main_metrics.get(column) if table == "task" else _RAW.get(table, table)
        return None if metric is None else self.raw(column, method, metric)


def check_tables(folder: Path, rows: Rows, definitions: Definitions) -> TableCheck:
    """grue.csv, grue.md, metrics.json and significance.csv against scores.csv."""
    check, values = TableCheck(), _Values(rows, definitions)
    try:
        table = _read(folder / "grue.csv")
        _check_methods(check, table, values)
        _check_headline(check, folder / "metrics.json", table)
        _check_gains(check, _read(folder / "significance.csv"), rows)
        _check_markdown(check, (folder / "grue.md").read_text(encoding="utf-8"), table)
    except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError) as error:
        check.findings.append(f"a table cannot be read ({type(error).__name__}: {error})")
    return check


def _read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def _check_methods(check: TableCheck, table: Sequence[Mapping[str, str]], values: _Values) -> None:
    """Every mean, and every bound that is of seeds: the lowest and highest, or Student's t."""
    named, known = [row["method"] for row in table], list(dict.fromkeys(method for _, method in values.cells))
    if sorted(named) != sorted(known):
        check.findings.append(f"grue.csv: rows of {', '.join(named)}; scores.csv has {', '.join(known)}")
        return
    for row in table:
        for key, text in row.items():
            if key == "method" or key.endswith(_BOUNDS) or not text:
                continue
            name, _, column = key.rpartition(":")
            found = values.of(name, column, row["method"])
            where = f"grue.csv: {key} of {row['method']}"
            check.number(where, float(text), None if found is None else float(np.mean(found)))
            bounds = tuple(float(row[key + side]) for side in _BOUNDS)
            if found is None or column not in values.definitions.main_metrics:
                check.unchecked += 2
            elif not any(np.allclose(bounds, each, rtol=1e-9, atol=1e-12) for each in _spreads(found, values)):
                check.findings.append(f"{where}: bounds {bounds} are not of the seeds in scores.csv")
            else:
                check.checked += 2


def _spreads(values: Sequence[float], known: _Values) -> list[tuple[float, float]]:
    """What a table may show around a mean over seeds: the range, or an interval by Student's t."""
    spreads = [(min(values), max(values))]
    if (n := len(values)) > 1:
        quantile = student_t_quantile((1.0 + known.definitions.level) / 2.0, n - 1)
        half = quantile * float(np.std(values, ddof=1)) / math.sqrt(n)
        spreads.append((float(np.mean(values)) - half, float(np.mean(values)) + half))
    return spreads


def _check_headline(check: TableCheck, path: Path, table: Sequence[Mapping[str, str]]) -> None:
    averages = {f"score_{row['method']}": row.get("task:average") for row in table}
    for key, value in json.loads(path.read_text(encoding="utf-8")).items():
        expected = averages.get(key)
        check.number(f"{path.name}: {key}", float(value), round(float(expected), 6) if expected else None)


def _check_gains(check: TableCheck, table: Sequence[Mapping[str, str]], rows: Rows) -> None:
    """Both values of each comparison are those of the cells, and the gain is their difference, up to its sign."""
    by_name = {(cell.task, cell.method, str(cell.seed)): scores for cell, scores in rows.items()}
    for row in table:
        if not {"start_value", "value", "start", "gain"} <= row.keys():
            check.unchecked += len(row)
            continue
        where = f"significance.csv: {row['task']}/{row['method']}/seed{row['seed']} {row['metric']}"
        for column, method in (("start_value", row["start"]), ("value", row["method"])):
            found = by_name.get((row["task"], method, row["seed"]), {}).get(row["metric"])
            check.number(f"{where}: {column}", float(row[column]), math.nan if found is None else found[0])
        difference = abs(float(row["value"]) - float(row["start_value"]))
        if row["gain"]:
            check.number(f"{where}: gain without its sign", abs(float(row["gain"])), difference)
        check.unchecked += sum(bool(text) for key, text in row.items() if key.startswith(("gain:", "p")))


def _check_markdown(check: TableCheck, text: str, table: Sequence[Mapping[str, str]]) -> None:
    """The numbers of grue.md are those of grue.csv, rounded: its tables of methods are in the same order."""
    columns: dict[str, list[str]] = {}
    for key in table[0]:
        if key != "method" and not key.endswith(_BOUNDS):
            columns.setdefault(key.rpartition(":")[0], []).append(key)
    by_label = {method_label(row["method"]): row for row in table}
    left = list(columns.values())
    for title, head, lines in _markdown_tables(text):
        is_next = left and head[0] == "Method" and _is_shown(head[1:], left[0])
        measured = (
            {method_label(row["method"]) for row in table if any(row[key] for key in left[0])} if is_next else set()
        )
        if not is_next or {line[0] for line in lines} != measured:
            check.unchecked += sum(len(_SHOWN.findall(cell)) for line in lines for cell in line[1:])
            continue
        shown = left.pop(0)
        for line in lines:
            row = by_label.get(line[0], {})
            for key, cell in zip(shown, line[1:], strict=True):
                _check_shown(check, f"grue.md: {title}: {line[0]}, {key}", cell, row, key)
    check.findings += [f"grue.md: no table of {keys[0].rpartition(':')[0]}, which grue.csv has" for keys in left]


def _is_shown(heads: Sequence[str], keys: Sequence[str]) -> bool:
    """Whether a table's columns are these of grue.csv: of the same tasks in the same order, and what is of all."""
    of_all = {"average": "Average", **STATISTICS}
    names = [key.rpartition(":")[2] for key in keys]
    labels = [of_all.get(name) or task_label(name) for name in names]
    return len(heads) == len(labels) and all(map(str.startswith, heads, labels))


def _check_shown(check: TableCheck, where: str, cell: str, row: Mapping[str, str], key: str) -> None:
    """0.512, 0.512 (0.508–0.516), 0.512 ± 0.004 or 0.512 [0.501, 0.523], bold or not; – where nothing was measured."""
    said = [float(number) for number in _SHOWN.findall(cell.replace("–", " "))]
    numbers = [float(row[name]) for name in (key, key + ":low", key + ":high") if row.get(name)]
    if "±" in cell:
        numbers = [numbers[0], numbers[2] - numbers[0]] if len(numbers) == 3 else numbers
    digits = max((len(part) for part in re.findall(r"\.(\d+)", cell)), default=0)
    if len(said) not in (min(1, len(numbers)), len(numbers)):
        check.findings.append(f"{where} shows {cell}, which grue.csv has not")
        return
    for shown, number in zip(said, numbers, strict=False):
        check.checked += 1
        if abs(shown - number) > 0.5 * 10.0**-digits * (1 + 1e-6):
            check.findings.append(f"{where} shows {shown}, but grue.csv has {number!r}")


def _markdown_tables(text: str) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """(title, head, rows) of every table."""
    for section in re.split(r"^#+ ", text, flags=re.MULTILINE):
        lines = [line for line in section.splitlines() if line.startswith("|")]
        cells = [[part.strip().replace("\\", "") for part in line.strip("|").split(" | ")] for line in lines]
        cells = [[part.strip("| *") for part in line] for line in cells]
        if len(cells) > 2:
            yield section.partition("\n")[0].strip(), cells[0], cells[2:]
