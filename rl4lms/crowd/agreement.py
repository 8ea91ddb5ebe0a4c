"""How far workers agree: Krippendorff's alpha, 1 for always, 0 for as often as chance would have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import krippendorff
import numpy as np

from rl4lms.crowd.annotations import Answer

Level = Literal["nominal", "ordinal", "interval"]
LEVELS: tuple[Level, ...] = get_args(Level)


def alphas(answers: Iterable[Answer], values: Sequence[str]) -> dict[str, float | None]:
    """level -> alpha of the answers to one question, missing ones allowed.

    values: the answers that may be given, in their order; they count as 1, 2, 3 ... for the levels with an order. None
    where alpha is not defined: no item has two answers, or all that can be paired are the same.
    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", by the package `krippendorff`.
    """
    table = reliability_data(answers, values)
    counted = table[:, (~np.isnan(table)).sum(axis=0) > 1]
    if counted.size == 0 or np.unique(counted[~np.isnan(counted)]).size < 2:
        return dict.fromkeys(LEVELS)
    domain = list(range(1, len(values) + 1))
    return {level: _alpha(counted, domain, level) for level in LEVELS}


def reliability_data(answers: Iterable[Answer], values: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(workers, items) float64, nan where a worker did not answer."""
    rank = {value: float(i) for i, value in enumerate(values, 1)}
    given = {(answer.worker, answer.item): rank[answer.value] for answer in answers}
    workers, items = sorted({worker for worker, _ in given}), sorted({item for _, item in given})
    return np.array([[given.get((worker, item), np.nan) for item in items] for worker in workers]).reshape(
        len(workers), len(items)
    )


def _alpha(table: np.ndarray[Any, np.dtype[np.float64]], domain: list[int], level: Level) -> float:
    return float(krippendorff.alpha(reliability_data=table, value_domain=domain, level_of_measurement=level))
