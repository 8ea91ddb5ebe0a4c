"""Released suites as one: the cells of all of them, read from the small tables that are kept of each.

A study that takes days is run in slices, some of its tasks or methods at a time, and each slice is released when it is
finished (`rl4lms.results.release`). Texts and scores per sample are not kept, so nothing here is tested over samples.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from rl4lms.core.errors import DataError, unknown
from rl4lms.core.manifest import MANIFEST_FILE
from rl4lms.results.curves import COLUMNS, TOKENS_COLUMN
from rl4lms.results.release import Release, SuiteCell
from rl4lms.results.release_checks import Rows, check_cells, check_files, read_scores
from rl4lms.results.run_directory import RunDirectory
from rl4lms.results.scores import ScoredRun, SuiteScores
from rl4lms.results.suite import RunKey, SuiteSettings
from rl4lms.results.training_logs import FACT_COLUMNS, TrainingLogs

_RUN = ["task", "method", "seed"]


@dataclass(frozen=True)
class PooledScores(SuiteScores):
    """trainings: what the RL runs logged, as the releases have it."""

    trainings: TrainingLogs = field(kw_only=True)


def pooled_scores(
    folders: Sequence[Path], settings: SuiteSettings, tasks: Sequence[str] = (), methods: Sequence[str] = ()
) -> PooledScores:
    """The scores of several releases, of the tasks and methods that are named or else of all that are there.

    settings: of the suite that the releases are slices of. Raises DataError for a release that does not agree with its
    manifest, for a cell of which two releases have different numbers, and for one that none has.
    """
    rows = Rows()
    origin: dict[SuiteCell, Path] = {}
    for folder in folders:
        for cell, metrics in _released_rows(folder).items():
            if rows.setdefault(cell, metrics) != metrics:
                raise DataError(_differing(cell, origin[cell], rows[cell], folder, metrics))
            origin.setdefault(cell, folder)
    part = _part(settings, rows, tasks, methods)
    keys = [SuiteCell(*run) for run in part.runs]
    if missing := [cell for cell in keys if cell not in rows]:
        raise DataError(
            f"{missing[0]} is in none of these releases, and neither are {len(missing) - 1} more cells; give a release "
            "that has them, or name the tasks and methods to pool (--tasks, --methods)."
        )
    runs: dict[RunKey, ScoredRun] = {cell: _scored(cell, rows[cell], origin[cell]) for cell in keys}
    return PooledScores(part, runs, trainings=_trainings(folders, part))


def _released_rows(folder: Path) -> Rows:
    release, rows = Release.read(folder / MANIFEST_FILE), read_scores(folder)
    for finding in itertools.chain(check_files(folder, release), check_cells(rows, release)):
        raise DataError(f"{folder}: {finding}; verify it (python -m rl4lms verify {folder}).")
    return rows


def _differing(
    cell: SuiteCell, first: Path, ours: Mapping[str, object], second: Path, theirs: Mapping[str, object]
) -> str:
    metric = next(name for name in [*ours, *theirs] if ours.get(name) != theirs.get(name))
    return (
        f"{cell}: {metric} is {_value(ours, metric)} in {first} and {_value(theirs, metric)} in {second}; releases are "
        "pooled where what they have in common is the same."
    )


def _value(metrics: Mapping[str, object], metric: str) -> object:
    found = metrics.get(metric)
    return found[0] if isinstance(found, tuple) else "missing"


def _part(settings: SuiteSettings, rows: Rows, tasks: Sequence[str], methods: Sequence[str]) -> SuiteSettings:
    """The settings of the named tasks and methods, or of those that `rows` has, in the suite's order."""
    of_tasks = _chosen(settings.tasks, tasks, {cell.task for cell in rows}, "--tasks")
    of_methods = _chosen(settings.methods, methods, {cell.method for cell in rows}, "--methods")
    return replace(
        settings,
        tasks=of_tasks,
        methods=of_methods,
        main_metrics={task: settings.main_metrics[task] for task in of_tasks},
        contrasts=tuple(c for c in settings.contrasts if {c.method, c.against} <= {*of_methods}),
    )


def _chosen(known: Sequence[str], asked: Sequence[str], there: Iterable[str], option: str) -> tuple[str, ...]:
    for name in asked:
        if name not in known:
            raise DataError(unknown(option.removeprefix("--").rstrip("s"), name, known, option))
    wanted = {*(asked or there)}
    return tuple(name for name in known if name in wanted)


def _scored(cell: SuiteCell, metrics: Mapping[str, tuple[float, int]], folder: Path) -> ScoredRun:
    (_, n), *_ = metrics.values()
    values = {name: value for name, (value, _) in metrics.items()}
    return ScoredRun(str(cell), RunDirectory(folder, folder), values, [""] * n, columns={}, labels={}, means=None)


def _trainings(folders: Sequence[Path], part: SuiteSettings) -> TrainingLogs:
    curves = _joined([folder / "curves.csv" for folder in folders], COLUMNS, [*_RUN, "iteration", "metric"], part)
    facts = _joined([folder / "training.csv" for folder in folders], FACT_COLUMNS, _RUN, part)
    return TrainingLogs(curves.astype({TOKENS_COLUMN: "Int64"}), facts)


def _joined(paths: Iterable[Path], columns: list[str], key: list[str], part: SuiteSettings) -> pd.DataFrame:
    """The rows of several csv files that are of the part's runs, in its order, those of the same key once."""
    table = pd.concat(map(_exact, paths), ignore_index=True)
    order = {run: i for i, run in enumerate(part.runs)}
    place = pd.Series([order.get(run, -1) for run in table[_RUN].itertuples(index=False, name=None)], table.index)
    kept = table[place >= 0].drop_duplicates(key)
    return kept.loc[place[kept.index].sort_values(kind="stable").index, columns].reset_index(drop=True)


def _exact(path: Path) -> pd.DataFrame:
    """A csv file; by default some versions of pandas are a last digit off in what they read."""
    table, texts = pd.read_csv(path), pd.read_csv(path, dtype=str)
    return table.assign(**{str(name): texts[name].map(float) for name in table.select_dtypes("float")})
