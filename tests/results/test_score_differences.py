"""Which differences of score are called real."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl4lms.core.errors import DataError
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.run_directory import RunDirectory
from rl4lms.results.score_differences import ScoreDifference, score_table
from rl4lms.results.statistics import holm

from .two_runs import BLEU, DISTINCT, METEOR, MakeRun, put, rows_of, shared_scores


def rows(make_run: MakeRun, gain: float, n: int = 100, n_b: int | None = None) -> dict[str, ScoreDifference]:
    a, b = (RunDirectory.open(make_run(m, g, n=k)) for m, g, k in (("ppo", 0.0, n), ("nlpo", gain, n_b or n)))
    return {row.metric: row for row in score_table(a, b, "test", n_flips=2000, seed=0).rows}


@pytest.mark.parametrize(("gain", "verdict"), [(0.02, "b higher"), (-0.02, "b lower"), (0.0, "no")])
def test_a_shift_on_every_sample_is_real_though_the_intervals_overlap(
    gain: float, verdict: str, make_run: MakeRun
) -> None:
    """Samples differ by 0.1 among themselves, runs by 0.028 on one sample: pairing takes the first away."""
    row = rows(make_run, gain)[METEOR]
    assert row.verdict == verdict
    assert row.test is not None and row.interval_a is not None and row.interval_b is not None
    assert row.test.difference == pytest.approx((row.b or 0) - (row.a or 0))
    assert max(row.interval_a.low, row.interval_b.low) < min(row.interval_a.high, row.interval_b.high)
    # 0.02 * sqrt(2) / sqrt(100) * 1.96 = 0.0055 to either side
    assert row.test.high - row.test.low == pytest.approx(0.011, rel=0.25)
    assert row.tests_the_values


def test_of_two_samples_nothing_is_called_real(make_run: MakeRun) -> None:
    """Signs of two differences fall four ways, so no p is below a half; a bootstrap claims p < 0.001 of them."""
    found = rows(make_run, 0.3, n=2)
    tested = [row for row in found.values() if row.test is not None]
    assert tested and {row.verdict for row in tested} == {"no"}
    assert all(row.test.p >= 0.5 for row in tested if row.test)


def test_a_corpus_score_has_no_interval_and_says_that_another_mean_is_tested(make_run: MakeRun) -> None:
    row = rows(make_run, 0.03)[BLEU]
    assert (row.a, row.b) == (0.3, pytest.approx(0.33))
    assert (row.interval_a, row.interval_b, row.tests_the_values) == (None, None, False)
    assert row.test is not None and row.verdict == "b higher"


def test_a_metric_without_scores_per_sample_is_not_tested(make_run: MakeRun) -> None:
    row = rows(make_run, 0.03)[DISTINCT]
    assert (row.a, row.b, row.test, row.p, row.verdict) == (0.9, 0.9, None, None, "")


def test_only_samples_that_both_have_with_the_same_prompt_are_paired(make_run: MakeRun) -> None:
    a, b = make_run("ppo", n=60), make_run("nlpo", 0.05, n=100)
    predictions = rows_of(shared_scores(100) + 0.05)
    predictions[0]["prompt_text"] = "another"
    put(RunDirectory.open(b).scores / "test_predictions.json", predictions[::-1])
    table = score_table(RunDirectory.open(a), RunDirectory.open(b), "test", n_flips=500, seed=0)
    assert (table.n_a, table.n_b, table.n_paired) == (60, 100, 59)
    row = next(row for row in table.rows if row.metric == METEOR)
    assert row.test is not None and row.test.n == 59
    assert row.test.difference == pytest.approx(0.05, abs=0.01)


def test_scores_that_disagree_with_what_is_shown_of_them_are_named(make_run: MakeRun) -> None:
    """By the mean that the other run shows of the same samples; of BLEU neither shows one."""
    a, b = (RunDirectory.open(make_run(name)) for name in ("ppo", "nlpo"))
    path = b.scores / "test_predictions.json"
    good = b.predictions("test")
    put(path, [{**row, BLEU: 1.0} if i == 7 else row for i, row in enumerate(good)])
    score_table(a, b, "test", n_flips=50, seed=0)
    put(path, [{**row, METEOR: 1.5} if i == 7 else row for i, row in enumerate(good)])
    with pytest.raises(
        DataError, match=r"nlpo/seed0/test_predictions\.json: the 100 scores of lexical/meteor have the mean"
    ):
        score_table(a, b, "test", n_flips=50, seed=0)


def test_scores_of_another_run_are_named_wherever_the_directories_lie(make_run: MakeRun) -> None:
    a, b = (RunDirectory.open(make_run(method)) for method in ("ppo", "nlpo"))
    path, run = a.scores / "test_split_metrics.jsonl", {"task": "common_gen", "method": "ppo", "seed": 0}
    put(a.scores / "manifest.json", run)
    put(path, {**a.line("test"), **run})
    score_table(a, b, "test", n_flips=50, seed=0)
    put(path, {**a.line("test"), "seed": 1})
    with pytest.raises(DataError, match=r"test_split_metrics\.jsonl: seed is 1; expected 0"):
        score_table(a, b, "test", n_flips=50, seed=0)


def test_the_other_way_round_turns_the_signs(make_run: MakeRun) -> None:
    a, b = RunDirectory.open(make_run("ppo")), RunDirectory.open(make_run("nlpo", 0.03))
    one, other = (score_table(x, y, "test", n_flips=2000, seed=0).rows for x, y in ((a, b), (b, a)))
    for row, turned in zip(one, other, strict=True):
        if row.test is not None and turned.test is not None:
            assert turned.test.difference == -row.test.difference
            assert turned.p == row.p
    assert one == score_table(a, b, "test", n_flips=2000, seed=0).rows


def test_holm_by_hand() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06}
    )
    assert holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_never_helps(p_values: list[float]) -> None:
    given_p = {str(i): p for i, p in enumerate(p_values)}
    adjusted = holm(given_p)
    assert all(given_p[k] <= adjusted[k] <= 1 for k in given_p)
    order = sorted(given_p, key=lambda k: given_p[k])
    assert [adjusted[k] for k in order] == sorted(adjusted.values())


@pytest.mark.slow
def test_of_pairs_of_equal_systems_about_one_in_twenty_is_called_different(make_run: MakeRun) -> None:
    """200 pairs of runs without a difference: at 0.05 expect 10; 22 or more has a chance of 1 in 2,000."""
    a, b = RunDirectory.open(make_run("ppo", n=50)), RunDirectory.open(make_run("nlpo", n=50))
    false = 0
    for i in range(200):
        rng = numpy_generator("null", i)
        for run in (a, b):
            values = shared_scores(50) + 0.05 * rng.standard_normal(50)
            put(
                run.scores / "test_predictions.json",
                [{k: v for k, v in r.items() if k != BLEU} for r in rows_of(values)],
            )
        table = score_table(a, b, "test", n_flips=400, seed=i)
        false += next(row for row in table.rows if row.metric == METEOR).verdict != "no"
    assert 1 <= false <= 21
