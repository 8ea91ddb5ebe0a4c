"""Hand values, slow definitions and invariances of intervals and tests."""

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
    paired_test,
    percentile_bounds,
    resampled_means,
    seeds_interval,
    stratified_interval,
    student_t_cdf,
    student_t_quantile,
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


def naive_paired_p(
    a: np.ndarray, b: np.ndarray, n_resamples: int, generator: np.random.Generator
) -> tuple[float, float]:
    """One resample at a time, straight from the definition."""
    difference = a - b
    observed = difference.mean()
    greater = far = 0
    for _ in range(n_resamples):
        mean = difference[generator.integers(0, len(a), size=len(a))].mean()
        greater += mean - observed >= observed
        far += abs(mean - observed) >= abs(observed)
    return (1 + greater) / (1 + n_resamples), (1 + far) / (1 + n_resamples)


@pytest.mark.parametrize("shift", [-0.1, 0.0, 0.05, 0.3])
def test_paired_p_values_equal_the_slow_definition(shift: float) -> None:
    b = rng("b").uniform(size=50)
    a = b + shift + 0.3 * rng("noise").standard_normal(50)
    test = paired_test(a, b, level=0.95, n_resamples=400, rng=rng("p"))
    assert (test.p_greater, test.p_two_sided) == naive_paired_p(a, b, 400, rng("p"))
    assert test.difference == pytest.approx((a - b).mean())
    assert test.low < test.difference < test.high


def test_equal_systems_have_p_one() -> None:
    same = rng("same").uniform(size=30)
    test = paired_test(same, same, level=0.95, n_resamples=200, rng=rng())
    assert (test.difference, test.p_greater, test.p_two_sided) == (0.0, 1.0, 1.0)


def test_a_constant_gain_has_the_smallest_p() -> None:
    b = rng("b").uniform(size=30)
    test = paired_test(b + 0.1, b, level=0.95, n_resamples=200, rng=rng())
    assert test.p_greater == test.p_two_sided == 1 / 201


def test_a_loss_is_no_gain() -> None:
    b = rng("b").uniform(size=30)
    test = paired_test(b - 0.1, b, level=0.95, n_resamples=200, rng=rng())
    assert test.p_greater == 1.0
    assert test.p_two_sided == 1 / 201


def test_swapping_the_systems_turns_the_sign_alone() -> None:
    a, b = rng("a").uniform(size=40), rng("b").uniform(size=40)
    one = paired_test(a, b, level=0.95, n_resamples=300, rng=rng())
    other = paired_test(b, a, level=0.95, n_resamples=300, rng=rng())
    assert other.difference == -one.difference
    assert other.p_two_sided == one.p_two_sided
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))


def test_p_is_uniform_where_there_is_no_difference() -> None:
    p_values = []
    for trial in range(300):
        a, b = (rng(name, trial).standard_normal(40) for name in "ab")
        p_values.append(paired_test(a, b, level=0.95, n_resamples=200, rng=rng("null", trial)).p_two_sided)
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.1
    assert 0.42 < np.mean(np.array(p_values) < 0.5) < 0.58


def naive_stratified(strata: list[np.ndarray], n_resamples: int, generator: np.random.Generator) -> np.ndarray:
    """A loop over resamples; independent draws, so it agrees in distribution and not number by number."""
    means = []
    for _ in range(n_resamples):
        tasks = []
        for table in strata:
            runs = generator.integers(0, table.shape[0], size=table.shape[0])
            samples = generator.integers(0, table.shape[1], size=table.shape[1])
            tasks.append(np.mean([table[r, s] for r in runs for s in samples]))
        means.append(np.mean(tasks))
    return np.array(means)


def test_stratified_interval_agrees_with_the_slow_definition() -> None:
    strata = [
        0.3 + 0.1 * rng("x").standard_normal((2, 15)),
        0.8 + 0.2 * rng("y").standard_normal((3, 6)),
        np.array([[0.1], [0.2]]),
    ]
    interval = stratified_interval(strata, level=0.9, n_resamples=4000, rng=rng("fast"))
    low, high = percentile_bounds(naive_stratified(strata, 1500, rng("slow")), 0.9)
    assert interval.mean == pytest.approx(np.mean([table.mean() for table in strata]))
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.006)
    assert (interval.n, interval.kind) == (7, "bootstrap")


def test_tasks_weigh_the_same_whatever_their_number_of_samples() -> None:
    strata = [np.zeros((2, 1000)), np.ones((2, 3))]
    interval = stratified_interval(strata, level=0.95, n_resamples=100, rng=rng())
    assert (interval.mean, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_resampling_never_crosses_tasks() -> None:
    # Constant within each task: crossing would give the interval a width.
    strata = [np.full((2, 5), value) for value in (0.1, 0.5, 0.9)]
    interval = stratified_interval(strata, level=0.95, n_resamples=200, rng=rng())
    assert interval.low == pytest.approx(0.5)
    assert interval.high == pytest.approx(0.5)


def test_single_values_have_no_interval() -> None:
    interval = stratified_interval([[[0.2]], [[0.4]]], level=0.95, n_resamples=10, rng=rng())
    assert (interval.mean, interval.kind) == (pytest.approx(0.3), "point")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([], level=0.95, n_resamples=10, rng=rng()), "non-empty"),
        (
            lambda: mean_interval([1.0, float("nan")], level=0.95, n_resamples=10, rng=rng()),
            "1 of 2 values are not finite",
        ),
        (lambda: paired_test([1, 2], [1], level=0.95, n_resamples=10, rng=rng()), "same samples"),
        (lambda: stratified_interval([], level=0.95, n_resamples=10, rng=rng()), "for every task"),
        (lambda: stratified_interval([[1.0, 2.0]], level=0.95, n_resamples=10, rng=rng()), "runs, samples"),
    ],
)
def test_bad_input_is_one_clear_line(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=message):
        call()
