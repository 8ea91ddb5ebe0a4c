"""Choose each algorithm's point of its search, by validation, and write it into the params of the suite it is for.

    python scripts/choose_settings.py tuning

The suite `tuning` has the points <algorithm>.<k> as methods and extends the suite that takes the chosen ones. A point's
score is the mean over tasks and seeds of (validation after training - validation of the start) / the task's constant,
`aggregate.gain_scale`. The highest wins, and of equals the first. All go into docs/results/<suite>/points.csv,
where the rows of algorithms that were not run here stay, so that algorithms can be added one after the other.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import pandas as pd

from rl4lms.config.compose import algorithm_of
from rl4lms.config.params import Params
from rl4lms.core.errors import UserError
from rl4lms.core.io import write_text
from rl4lms.results.curves import MAIN_METRIC_CURVE
from rl4lms.results.run_directory import RunDirectory
from rl4lms.results.suite import SuiteSettings
from rl4lms.results.training_logs import read_curves

_CHOSEN = re.compile(r"^  chosen: .*\n", re.MULTILINE)


def searched(method: str) -> str | None:
    """The algorithm whose point a method is; None of a warm start."""
    point = algorithm_of(method)
    return point.split(".")[0] if point else None


def validated(params: Params, results: Path) -> pd.DataFrame:
    """One row for each task, method and seed: algorithm, point, validation before and after, and the scaled gain.

    Of the algorithms that were run, of which all points must be there. Raises DataError for one that is not.
    """
    settings = SuiteSettings.from_params(params)
    begun = {searched(path.name) for path in results.glob("runs/*/*")}
    runs = [run for run in settings.runs if searched(run[1]) in begun - {None}]
    places = {run: results / "runs" / run[0] / run[1] / f"seed{run[2]}" for run in runs or settings.runs}
    curves = read_curves({run: RunDirectory(place, place) for run, place in places.items()}, settings)
    of_run = curves[curves["metric"] == MAIN_METRIC_CURVE].groupby(["task", "method", "seed"], sort=False)["value"]
    table = of_run.agg(before="first", after="last").reset_index()
    names = table.pop("method").map(algorithm_of).str.split(".", expand=True)
    table.insert(0, "algorithm", names[0])
    table.insert(1, "point", names[1].astype(int))
    gains = [float(settings.gains(row.task, row.after, row.before)) for row in table.itertuples()]
    return table.assign(gain=gains)


def with_recorded(table: pd.DataFrame, target: Path) -> pd.DataFrame:
    """The rows of a points.csv whose algorithms were not run here, and those of `table`."""
    if not target.is_file():
        return table
    recorded = pd.read_csv(target)
    return pd.concat([recorded[~recorded["algorithm"].isin(table["algorithm"])], table], ignore_index=True)


def choose(table: pd.DataFrame) -> pd.Series:
    """Algorithm -> the point with the highest mean gain over tasks and seeds, of equals the first."""
    means = table.groupby(["algorithm", "point"])["gain"].mean()
    return means.groupby("algorithm").idxmax().map(lambda pair: pair[1])


def write_choice(file: Path, k: int, gain: float) -> None:
    """Set `search.chosen` of an algorithm's file, and leave its other lines as they are."""
    text = _CHOSEN.sub("", file.read_text(encoding="utf-8"))
    line = f"  chosen: {k}  # of suite tuning, with the highest mean gain, {gain:.3f}\n"
    write_text(file, re.sub(r"^search:\n", f"search:\n{line}", text, count=1, flags=re.MULTILINE))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("suite", help="the suite of the points")
    suite = parser.parse_args().suite
    try:
        params = Params.open("params", suite)
        table = validated(params, Path("results", suite))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    extended = params.folders[-2]
    points = {name: params.alg(name)["point"] for name in params.grue()["algs"]}
    keys = pd.json_normalize([{"algorithm": name, **point} for name, point in points.items()])
    keys[["algorithm", "point"]] = keys["algorithm"].str.split(".", expand=True)
    target = Path("docs/results", suite, "points.csv")
    target.parent.mkdir(parents=True, exist_ok=True)
    full = with_recorded(table.merge(keys.astype({"point": int}), on=["algorithm", "point"]), target)
    write_text(target, full.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    means = table.pivot_table("gain", ["algorithm", "point"], "task")
    means["mean"] = table.groupby(["algorithm", "point"])["gain"].mean()
    print(means.round(3).to_string())
    for algorithm, k in choose(table).items():
        write_choice(extended / "algs" / f"{algorithm}.yaml", k, means.loc[(algorithm, k), "mean"])
        print(f"{algorithm}: point {k} {points[f'{algorithm}.{k}']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
