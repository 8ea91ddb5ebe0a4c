"""Sign-flip tests: hand values, enumeration in pure Python, error rates, and the difference that they find."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl4lms.core.errors import DataError
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.sign_flips import EXACT, POWER, detectable_factor, flip_interval, flip_p_values, paired_tests


def p_of(*rows: list[float], n_flips: int = 2000, seed: int = 0) -> np.ndarray:
    return flip_p_values(np.array(rows), n_flips, numpy_generator(seed, "signs"))


def enumerated_p(differences: list[float]) -> float:
    """Twice the share of sign patterns with a sum at least as far out on the observed side, by exact fractions."""
    total = math.fsum(differences)
    patterns = [math.fsum(s * d for s, d in zip(signs, differences, strict=True)) for signs in
                itertools.product((1, -1), repeat=len(differences))]  # fmt: skip
    as_far = sum(s >= total - 1e-9 if total >= 0 else s <= total + 1e-9 for s in patterns)
    return min(1.0, 2 * as_far / len(patterns))


def test_p_values_by_hand() -> None:
    # Of (1, 2, 3) only +++ sums to 6, so p is 2/8; (1, 2, -4) sums to -1, and four of eight patterns to as little.
    assert p_of([1.0, 2.0, 3.0]) == pytest.approx([2 / 8])
    assert p_of([1.0, 2.0, -4.0]) == pytest.approx([2 * 4 / 8])
    assert p_of([0.0, 0.0, 0.0]) == pytest.approx([1.0])


@pytest.mark.parametrize("n", [1, 2, 3, 7, EXACT])
def test_no_p_is_below_what_so_few_pairs_can_show(n: int) -> None:
    """A bootstrap of two equal gains claims p < 0.001; the truth is 1/2."""
    assert p_of([0.3] * n) == pytest.approx([2.0 ** -(n - 1)])


@given(st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=7))
def test_p_equals_the_enumeration_with_ties(differences: list[float]) -> None:
    assert p_of(differences) == pytest.approx([enumerated_p(differences)])


def test_drawn_patterns_agree_with_all_of_them() -> None:
    rng = numpy_generator("drawn")
    row = (rng.standard_normal(EXACT + 2) + 0.35).tolist()
    assert p_of(row, n_flips=200_000)[0] == pytest.approx(enumerated_p(row), rel=0.1)


def test_rows_share_patterns_and_do_not_depend_on_each_other() -> None:
    rng = numpy_generator("rows")
    rows = (rng.standard_normal((4, 30)) + 0.2).tolist()
    together = p_of(*rows)
    assert together.tolist() == [p_of(row)[0] for row in rows]
    assert p_of(*(-np.array(rows)).tolist()).tolist() == together.tolist()


@pytest.mark.parametrize("n", [6, 10, 30])
def test_p_is_uniform_where_there_is_no_difference(n: int) -> None:
    rng = numpy_generator("null", n)
    rows = rng.standard_normal((2000, n)) * rng.uniform(0.2, 3.0, size=n)
    p_values = flip_p_values(rows, 1000, rng)
    for alpha in (0.05, 0.2, 0.5):
        reached = math.floor(alpha * 2 ** (n - 1)) / 2 ** (n - 1) if n <= EXACT else alpha
        assert np.mean(p_values <= alpha + 1e-12) == pytest.approx(reached, abs=4 * math.sqrt(alpha / 2000))


def test_paired_tests_of_two_samples_claim_nothing() -> None:
    (test,) = paired_tests([np.array([0.2, 0.5])], level=0.95, n_flips=100, rng=numpy_generator(0))
    assert test.p == 0.5
    assert test.low < 0 < test.difference < test.high


def test_paired_tests_refuse_what_is_no_table() -> None:
    for given_table in ([np.array([np.nan])], [np.empty(0)]):
        with pytest.raises(DataError, match="finite numbers"):
            paired_tests(given_table, level=0.95, n_flips=10, rng=numpy_generator(0))


@pytest.mark.parametrize(("n", "level"), [(7, 0.9), (10, 0.95), (25, 0.95)])
def test_the_interval_holds_the_shifts_that_are_not_rejected(n: int, level: float) -> None:
    rng = numpy_generator("inverted", n)
    differences = rng.standard_normal(n) + 0.4
    options = {"n_flips": 2000}
    low, high = flip_interval(differences, level=level, rng=numpy_generator(0, "same"), **options)
    assert low < differences.mean() < high
    width = high - low
    for shift, is_in in ((low, True), (high, True), (low - 1e-6 * width, False), (high + 1e-6 * width, False)):
        (p,) = flip_p_values((differences - shift)[None], rng=numpy_generator(0, "same"), **options)
        assert (p > 1 - level) == is_in, shift


def test_the_interval_by_hand() -> None:
    # Subset means of (1, 2, 6): 1, 2, 6, 1.5, 3.5, 4, 3. At 1 - 1/2 a shift is out if its one-sided p is <= 1/4 of 8
    # patterns: below the second smallest mean (the empty subset and one more are 2/8), 1.5, and above 4.
    differences = np.array([1.0, 2.0, 6.0])
    assert flip_interval(differences, level=0.5, n_flips=10, rng=numpy_generator(0)) == pytest.approx((1.5, 4.0))


def test_too_few_pairs_have_no_interval_and_nothing_to_detect() -> None:
    low, high = flip_interval(np.ones(5), level=0.95, n_flips=10, rng=numpy_generator(0))
    assert (low, high) == (-math.inf, math.inf)
    assert detectable_factor(5, 0.05, 10_000, 0) == math.inf
    assert detectable_factor(6, 0.05, 10_000, 0) < math.inf
    assert detectable_factor(20, 0.05, 10, 0) == math.inf, "ten drawn patterns show no p of 0.05"


@pytest.mark.parametrize("n", [10, 35])
def test_intervals_cover_as_often_as_they_say(n: int) -> None:
    rng = numpy_generator("cover", n)
    bounds = [
        flip_interval(rng.standard_normal(n) + 1.0, level=0.9, n_flips=400, rng=numpy_generator(0, i))
        for i in range(400)
    ]
    assert 0.86 < np.mean([low <= 1.0 <= high for low, high in bounds]) < 0.94


@pytest.mark.parametrize(("n", "alpha"), [(14, 0.05 / 8), (35, 0.05 / 8), (35, 0.05)])
def test_what_is_called_detectable_is_found(n: int, alpha: float) -> None:
    rng = numpy_generator("power", n)
    before, after = rng.standard_normal((2, 1000, n))
    rows = after + detectable_factor(n, alpha, 10_000, 0) * before.std(axis=1, ddof=1, keepdims=True)
    assert np.mean(flip_p_values(rows, 10_000, rng) <= alpha) == pytest.approx(POWER, abs=0.05)


def test_more_pairs_detect_less() -> None:
    factors = [detectable_factor(n, 0.05, 2000, 0) for n in (7, 14, 35, 70)]
    assert factors == sorted(factors, reverse=True)
