"""Learning curves: what a point of one is, by iterations and by sampled tokens, and how seeds are pooled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

REWARD_CURVE = "reward"
KL_CURVE = "kl"
MAIN_METRIC_CURVE = "main_metric"
TOKENS_COLUMN = "sampled_tokens"
# Of curves.csv, a row for each point of an RL run: iteration k is what was seen before update k, and sampled_tokens is
# how many tokens had been sampled before it, empty where the run did not log them.
COLUMNS = ["task", "method", "seed", "iteration", TOKENS_COLUMN, "metric", "value"]
BY = {"iterations": "iteration", "tokens": TOKENS_COLUMN}  # what a curve goes by -> the column
AXIS_LABELS = {"iterations": "Iteration", "tokens": "Sampled tokens"}

_TOKENS_KEY = "rollout/n_sampled_tokens"


def tokens_before(rollouts: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    """Iteration -> tokens that the sampler emitted in all iterations before it, those of discarded episodes included.

    rollouts: rows of rollout_info.jsonl, in order. The iteration after the last one is there, with the sum of all.
    Empty where a row has no number of sampled tokens: runs of earlier versions did not log it.
    """
    found, total = {0: 0}, 0
    for row in rollouts:
        if not isinstance(row.get(_TOKENS_KEY), int | float):
            return {}
        found[row["iteration"]] = total
        total += int(row[_TOKENS_KEY])
        found[row["iteration"] + 1] = total
    return found


def aligned(curves: Mapping[Any, pd.Series[float]], *, interpolate: bool) -> pd.DataFrame:
    """The values of several curves at the same places: a row for each place, a column for each curve.

    curves: name -> values by place (iteration or tokens), ascending. Without interpolation the places are those that
    all curves have. With it, they are those that any curve has, from where the last begins to where the first ends,
    and a value between two points of a curve lies on the straight line between them.
    """
    if not interpolate:
        return pd.concat(dict(curves), axis=1, join="inner").sort_index()
    low, high = max(float(c.index[0]) for c in curves.values()), min(float(c.index[-1]) for c in curves.values())
    places = sorted({float(x) for c in curves.values() for x in c.index if low <= x <= high})
    values = {
        name: np.interp(places, c.index.to_numpy(np.float64), c.to_numpy(np.float64)) for name, c in curves.items()
    }
    return pd.DataFrame(values, index=places)


def seeds_mean(curves: pd.DataFrame, by: str = "iterations") -> pd.Series[float]:
    """The seeds' mean of one metric and method, a key of BY its index.

    At the iterations that all seeds have; by tokens, at equal tokens, between iterations by interpolation.
    """
    if by == "tokens":
        runs = {
            seed: pd.Series(run["value"].to_numpy(np.float64), run[TOKENS_COLUMN].to_numpy(np.float64))
            for seed, run in curves.groupby("seed", sort=False)
        }
        return aligned(runs, interpolate=True).mean(axis=1) if runs else pd.Series(dtype=float)
    by_iteration = curves.groupby("iteration")["value"]
    return by_iteration.mean()[by_iteration.count() == curves["seed"].nunique()]
