"""Hand values, slow definitions and invariances of intervals."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl4lms.core.errors import DataError
from rl4lms.core.seeding import numpy_generator
from rl4lms.results import statistics as bootstrap
from rl4lms.results.statistics import (
    mean_interval,
    percentile_bounds,
    resampled_means,
    seeds_interval,
    student_t_cdf,
    student_t_quantile,
    t_interval,
)


def rng(*keys: int | str) -> np.random.Generator:
    return numpy_generator(0, "test", *keys)


# Published tables of Student's t (two-sided 95 % and 90 %), seven figures.
T_975 = {
    1: 12.706205,
    2: 4.3026527,
    3: 3.1824463,
    4: 2.7764451,
    5: 2.5705818,
    9: 2.2621572,
    10: 2.2281389,
    30: 2.0422725,
}
T_950 = {1: 6.3137515, 2: 2.9199856, 3: 2.3533634, 4: 2.1318468, 5: 2.0150484, 9: 1.8331129, 30: 1.6972609}


@pytest.mark.parametrize(("p", "table"), [(0.975, T_975), (0.95, T_950)])
def test_t_quantiles_are_the_published_ones(p: float, table: dict[int, float]) -> None:
    for df, expected in table.items():
        assert student_t_quantile(p, df) == pytest.approx(expected, rel=1e-7)


def test_t_quantile_tends_to_the_normal_one() -> None:
    assert student_t_quantile(0.975, 10**5) == pytest.approx(statistics.NormalDist().inv_cdf(0.975), abs=1e-4)


@given(st.floats(-8, 8), st.integers(1, 12))
def test_t_cdf_is_the_integral_of_its_density(t: float, df: int) -> None:
    x = np.linspace(0, t, 20_001)
    constant = math.gamma((df + 1) / 2) / (math.sqrt(df * math.pi) * math.gamma(df / 2))
    density = constant * (1 + x**2 / df) ** (-(df + 1) / 2)
    assert student_t_cdf(t, df) == pytest.approx(0.5 + np.trapezoid(density, x), abs=1e-7)


def test_t_quantile_refuses_what_has_none() -> None:
    with pytest.raises(ValueError, match="p < 1"):
        student_t_quantile(1.0, 4)


def test_interval_over_five_seeds_by_hand() -> None:
    # mean 3, sd sqrt(2.5), so the half width is 2.7764451 * sqrt(2.5 / 5).
    interval = seeds_interval([1, 2, 3, 4, 5], level=0.95)
    assert (interval.mean, interval.n, interval.kind) == (3.0, 5, "t")
    assert interval.high - 3.0 == pytest.approx(2.7764451 * math.sqrt(0.5), rel=1e-7)
    assert 3.0 - interval.low == pytest.approx(interval.high - 3.0)


def test_fewer_than_five_seeds_give_the_range() -> None:
    interval = seeds_interval([0.2, 0.5, 0.35, 0.35], level=0.95)
    assert (interval.mean, interval.low, interval.high, interval.kind) == (pytest.approx(0.35), 0.2, 0.5, "range")


def test_one_seed_has_no_spread() -> None:
    interval = seeds_interval([0.7], level=0.95)
    assert (interval.low, interval.high, interval.kind) == (0.7, 0.7, "point")


def test_bootstrap_interval_agrees_with_all_resamples_enumerated() -> None:
    values = [0.0, 1.0, 5.0, 2.0]
    exact = np.array([np.mean(draw) for draw in itertools.product(values, repeat=4)])  # each of the 256 equally likely
    low, high = percentile_bounds(exact, 0.9)
    interval = mean_interval(values, level=0.9, n_resamples=40_000, rng=rng("exact"))
    assert interval.mean == 2.0
    assert interval.low == pytest.approx(low, abs=0.26)  # the next point of the lattice
    assert interval.high == pytest.approx(high, abs=0.26)


def test_bootstrap_spread_is_the_standard_error() -> None:
    values = rng("values").standard_normal(400)
    means = resampled_means(values, 4000, rng("means"))
    assert means.mean() == pytest.approx(values.mean(), abs=0.005)
    assert means.std() == pytest.approx(values.std() / 20, rel=0.05)


def test_bootstrap_covers_the_mean_as_often_as_it_says() -> None:
    covered = 0
    for trial in range(300):
        interval = mean_interval(rng("cover", trial).uniform(size=60), level=0.9, n_resamples=300, rng=rng(trial))
        covered += interval.low <= 0.5 <= interval.high
    assert 0.85 < covered / 300 < 0.95


def test_draws_do_not_depend_on_the_size_of_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = rng("values").standard_normal(37)
    whole = resampled_means(values, 500, rng("blocks"))
    monkeypatch.setattr(bootstrap, "_BLOCK", 37 * 7)
    np.testing.assert_array_equal(resampled_means(values, 500, rng("blocks")), whole)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([], level=0.95, n_resamples=10, rng=rng()), "non-empty"),
        (
            lambda: mean_interval([1.0, float("nan")], level=0.95, n_resamples=10, rng=rng()),
            "1 of 2 values are not finite",
        ),
        (lambda: t_interval([[1.0, 2.0]], level=0.95), "non-empty"),
    ],
)
def test_bad_input_is_one_clear_line(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=message):
        call()
