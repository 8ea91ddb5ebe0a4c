"""Is a checkpoint better than the one it started from? Paired tests over the test samples, for every task and seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from rl4lms.config.compose import SUPERVISED, ZERO_SHOT, starting_point
from rl4lms.config.labels import method_label, metric_label, task_label
from rl4lms.core.errors import DataError
from rl4lms.core.result_keys import REWARD
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.consistency import equal
from rl4lms.results.scores import ScoredRun, SuiteScores
from rl4lms.results.sign_flips import PairedTest, paired_tests
from rl4lms.results.statistics import ALPHA, Floats
from rl4lms.results.table import NOT_MEASURED, Cell, Column, Table, decimals

REWARD_GAIN, SUPERVISED_GAIN = "reward_gain", "supervised_gain"
_TITLES = {
    REWARD_GAIN: "Reward of each checkpoint beside that of the one it started from",
    SUPERVISED_GAIN: "Main metric of each supervised checkpoint beside zero-shot",
}
# Of significance.csv. gain: how much better the run is, positive whichever way the metric runs.
COLUMNS = [
    "table", "task", "method", "start", "seed", "metric", "start_value", "value", "gain", "gain:low", "gain:high",
    "p",
]  # fmt: skip


def suite_gains(scores: SuiteScores) -> pd.DataFrame:
    """The reward of every RL run against its starting point's, and the supervised runs' main metric against zero-shot.

    COLUMNS, NaN where there is no test, and three more: better; significant (this checkpoint is better, by the mean
    over samples as well, with p below 0.05); tests_the_gain (whether the gain is the mean of gains per sample: of
    corpus BLEU it is not, and the p is of another mean). Raises DataError where the runs were not scored on the same
    samples.
    """
    settings = scores.settings
    rows = []
    for task in settings.tasks:
        of_task = [row for m in settings.rl_methods for row in gains(scores, task, m, starting_point(m), REWARD)]
        rows += [{"table": REWARD_GAIN, **row} for row in _tested(scores, task, REWARD, of_task)]
    for task in settings.tasks:
        main = settings.main_metrics[task]
        found = _tested(scores, task, main, gains(scores, task, SUPERVISED, ZERO_SHOT, main))
        rows += [{"table": SUPERVISED_GAIN, **row} for row in found]
    return pd.DataFrame(rows, columns=[*COLUMNS, "better", "significant", "tests_the_gain"])


def tasks_where(found: pd.DataFrame, table: str, column: str) -> list[str]:
    """Tasks on which `column` holds for every method and seed of a table of `suite_gains`."""
    holds = found[found["table"] == table].groupby("task", sort=False)[column].all()
    return list(holds.index[holds])


def gains(scores: SuiteScores, task: str, method: str, start: str, metric: str) -> Iterator[dict[str, Any]]:
    """A row per seed, with the gains per sample where the metric has them."""
    sign = -1.0 if scores.settings.higher_is_better(metric) is False else 1.0
    for seed in scores.settings.seeds:
        run, base = scores.runs[task, method, seed], scores.runs[task, start, seed]
        for each in (run, base):
            if metric not in each.metrics:
                raise DataError(f"run {each.name}: no value for {metric}; evaluate it again.")
        value, start_value = run.metrics[metric], base.metrics[metric]
        gain = sign * (value - start_value)
        row = {"task": task, "method": method, "start": start, "seed": seed, "metric": metric, "value": value}
        row |= {"start_value": start_value, "gain": gain, "better": gain > 0}
        yield {**row, "by_sample": _by_sample(run, base, metric, sign)}


def _by_sample(run: ScoredRun, base: ScoredRun, metric: str, sign: float) -> Floats | None:
    if metric not in run.columns or metric not in base.columns:
        return None
    if run.sample_ids != base.sample_ids:
        raise DataError(
            f"runs {run.name} and {base.name}: scored on different samples; evaluate both on the same data."
        )
    return sign * (run.columns[metric] - base.columns[metric])


def _tested(scores: SuiteScores, task: str, metric: str, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of a task with their tests, which share the patterns of signs where they have as many samples."""
    rows, settings = list(rows), scores.settings
    by_sample = [row.pop("by_sample") for row in rows]
    tests: dict[int, PairedTest] = {}
    for n in {len(each) for each in by_sample if each is not None}:
        alike = [i for i, each in enumerate(by_sample) if each is not None and len(each) == n]
        rng = numpy_generator(settings.bootstrap_seed, "signs", task, metric, n)
        given = [by_sample[i] for i in alike]
        found = paired_tests(given, level=settings.level, n_flips=settings.n_resamples, rng=rng)
        tests |= dict(zip(alike, found, strict=True))
    for i, row in enumerate(rows):
        test, gain = tests.get(i), row["gain"]
        tests_the_gain = test is not None and equal(test.difference, gain)
        if test is not None:
            row |= {"p": test.p} | ({"gain:low": test.low, "gain:high": test.high} if tests_the_gain else {})
        significant = gain > 0 and test is not None and test.difference > 0 and test.p < ALPHA
        yield {**row, "tests_the_gain": tests_the_gain, "significant": significant}


def gain_tables(scores: SuiteScores, found: pd.DataFrame) -> list[Table]:
    """A table per question, with a row per task, method and seed shown."""
    return [_table(scores, key, found[found["table"] == key]) for key in (REWARD_GAIN, SUPERVISED_GAIN)]


def _table(scores: SuiteScores, key: str, found: pd.DataFrame) -> Table:
    settings = scores.settings
    notes = [
        f"p: two-sided, by flipping the signs of the gains per test sample; it and the {settings.level:.0%} t interval "
        "of the gain speak of these two checkpoints on these test samples, not of the methods that made them."
    ]
    tested = found["p"].notna()
    if other := _labels(found[tested & ~found["tests_the_gain"].astype(bool)]):
        notes.append(
            f"{other}: the corpus value is no mean over samples; p is of the mean score per sample, and the gain has "
            "no interval."
        )
    if untested := _labels(found[~tested]):
        notes.append(f"{untested}: no scores per sample, so no p.")
    heads = ("Task", "Method", "Started from", "Seed", "Metric", "Before", "After", "Gain", "p")
    keys = [name for name in COLUMNS if name != "table" and ":" not in name]
    columns = tuple(Column(k, head, numeric=k not in _NAMES) for k, head in zip(keys, heads, strict=True))
    floor = 2 / (settings.n_resamples + 1)
    shown = found[found["seed"].isin(settings.shown_seeds)]
    if len(shown) < len(found):
        notes.append(f"Here, {settings.which_seeds}; all are in significance.csv.")
    rows = tuple(_row(row, floor) for row in shown.to_dict("records"))
    row_keys = tuple(f"{row[0].value}/{row[1].value}/seed{row[3].value}" for row in rows)
    return Table(key, _TITLES[key], columns, row_keys, rows, tuple(notes))


_NAMES = {"task": task_label, "method": method_label, "start": method_label, "metric": metric_label}


def _labels(found: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(map(metric_label, found["metric"])))


def _row(row: dict[Any, Any], floor: float) -> tuple[Cell, ...]:
    """floor: the smallest p that the number of drawn patterns can give."""
    digits = decimals([row["value"], row["start_value"]])
    text = f"{row['gain']:+.{digits}f}"
    low, high = (row[bound] if row["tests_the_gain"] else None for bound in ("gain:low", "gain:high"))
    if low is not None and high is not None:
        text += f" [{low:+.{digits}f}, {high:+.{digits}f}]"
    cells = {name: Cell(label(row[name]), row[name]) for name, label in _NAMES.items()}
    cells |= {name: Cell(f"{row[name]:.{digits}f}", row[name]) for name in ("start_value", "value")}
    cells["p"] = _p_cell(row["p"], floor)
    cells["seed"] = Cell(str(row["seed"]), row["seed"])
    cells["gain"] = Cell(text, row["gain"], low, high)
    return tuple(cells[name] for name in COLUMNS if name in cells)


def _p_cell(p: float, floor: float) -> Cell:
    if pd.isna(p):
        return Cell(NOT_MEASURED)
    smallest = p <= floor * (1 + 1e-9)  # no drawn pattern was as extreme: all that is known is a bound
    return Cell(f"≤ {floor:.2g}" if smallest else f"{p:.3g}", p)
