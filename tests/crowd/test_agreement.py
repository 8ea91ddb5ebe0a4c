"""Krippendorff's alpha: the published example, the definition written out slowly, and what must not change it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl4lms.crowd.agreement import LEVELS, alphas, reliability_data
from rl4lms.crowd.annotations import Answer

SCALE = ("1", "2", "3", "4", "5")
# Four observers of twelve units: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C.
PUBLISHED = ("123321412000", "123322412503", "033323422510", "123324412510")
PUBLISHED_ALPHAS = {"nominal": 0.743, "ordinal": 0.815, "interval": 0.849}


def answers(rows: Sequence[str]) -> list[Answer]:
    """A row per worker, a letter per item; 0: not answered."""
    return [
        Answer(f"i{i:02}", "quality", f"w{w}", value)
        for w, row in enumerate(rows)
        for i, value in enumerate(row)
        if value in SCALE
    ]


def slow_alpha(rows: Sequence[str], level: str) -> float | None:
    """1 - observed / expected disagreement over pairs, straight from the definition; None where it is 0 / 0."""
    units = [[int(row[i]) for row in rows if row[i] in SCALE] for i in range(len(rows[0]))]
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    count = {v: values.count(v) for v in set(values)}

    def distance(a: int, b: int) -> float:
        if level == "nominal":
            return float(a != b)
        if level == "interval":
            return float((a - b) ** 2)
        low, high = sorted((a, b))
        between = sum(n for v, n in count.items() if low <= v <= high)
        return (between - (count[low] + count[high]) / 2) ** 2

    observed = sum(distance(a, b) / (len(unit) - 1) for unit in units for a, b in itertools.permutations(unit, 2))
    expected = sum(distance(a, b) for a, b in itertools.permutations(values, 2)) / max(len(values) - 1, 1)
    return None if expected == 0 else 1 - observed / expected


def test_the_published_example() -> None:
    found = alphas(answers(PUBLISHED), SCALE)
    assert {level: round(float(found[level] or 0), 3) for level in LEVELS} == PUBLISHED_ALPHAS


def test_two_observers_of_two_categories() -> None:
    """Section A of the same text: ten units, alpha 0.095."""
    found = alphas(answers(("1211111121", "2221121111")), ("1", "2"))["nominal"]
    assert round(float(found or 0), 3) == 0.095


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="012345", min_size=6, max_size=6), min_size=2, max_size=4))
def test_it_is_the_definition(rows: list[str]) -> None:
    found = alphas(answers(rows), SCALE)
    for level in LEVELS:
        expected = slow_alpha(rows, level)
        if expected is None:
            assert found[level] is None
        else:
            assert found[level] == pytest.approx(expected, abs=1e-9)


def test_neither_the_order_of_workers_and_items_nor_lone_answers_matter() -> None:
    found = alphas(answers(PUBLISHED), SCALE)
    turned = [row[::-1] for row in PUBLISHED[::-1]]
    lone = ["".join("5" if w == 0 else "0" for _ in range(3)) for w in range(4)]
    for rows in (turned, [row + more for row, more in zip(PUBLISHED, lone, strict=True)]):
        assert alphas(answers(rows), SCALE) == pytest.approx(found, abs=1e-12)


@pytest.mark.parametrize("rows", [("123", "000"), ("222", "222"), ("0", "0")])
def test_it_is_not_defined_without_pairs_or_variation(rows: Sequence[str]) -> None:
    assert alphas(answers(rows), SCALE) == dict.fromkeys(LEVELS)


def test_workers_are_rows_and_items_columns() -> None:
    table = reliability_data(answers(("10", "53")), SCALE)
    assert table[0, 0] == 1 and math.isnan(table[0, 1])
    assert table[1].tolist() == [5, 3]
