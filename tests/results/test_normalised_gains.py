"""From the long table to gains, contrasts and their tables, by hand and over synthetic suites."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rl4lms.config.params import Params
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.results.normalised_gains import ALL_TASKS, ESTIMATES, SuiteStatistics, contrast_frame, normalised_gains
from rl4lms.results.scores import SuiteScores
from rl4lms.results.seed_statistics import improvement
from rl4lms.results.statistics_tables import contrasts_table, improvement_table, statistics_tables
from rl4lms.results.suite import Contrast, MetricScale, SuiteSettings

from .conftest import make_settings

PARAMS = Path(__file__).resolve().parents[2] / "params"
RL = Contrast("rl", "supervised_ppo", "supervised", "Does PPO gain?")


def settings_of_two_tasks(**changes: Any) -> SuiteSettings:
    values: dict[str, Any] = {
        "tasks": ("imdb", "common_gen"),
        "methods": ("supervised", "supervised_ppo"),
        "seeds": (0, 1, 2),
        "main_metrics": {"imdb": "up", "common_gen": "ter"},
        "scales": {"up": MetricScale(0.0, 1.0), "ter": MetricScale(1.5, 0.0)},
        "gain_scales": {"imdb": 0.1},
    }
    return make_settings(**{**values, **changes})


def frame_of(settings: SuiteSettings, values: dict[tuple[str, str], list[float]]) -> pd.DataFrame:
    """(task, method) -> a value of each seed; beside each a number of another metric."""
    rows = [
        (task, method, seed, metric, value)
        for (task, method), of_seeds in values.items()
        for seed, given in zip(settings.seeds, of_seeds, strict=True)
        for metric, value in ((settings.main_metrics[task], given), ("reward", 99.0))
    ]
    return pd.DataFrame(rows, columns=["task", "method", "seed", "metric", "value"])


VALUES = {
    ("imdb", "supervised"): [0.50, 0.60, 0.55],
    ("imdb", "supervised_ppo"): [0.60, 0.65, 0.75],
    ("common_gen", "supervised"): [0.90, 0.80, 1.00],
    ("common_gen", "supervised_ppo"): [0.60, 0.95, 0.70],
}


def test_gains_of_three_runs_by_hand() -> None:
    """Up is better on one task, where 0.1 counts as 1; down on the other, where best - worst, 1.5, does."""
    settings = settings_of_two_tasks()
    gains = normalised_gains(frame_of(settings, VALUES), settings)
    assert gains["supervised_ppo"] == pytest.approx(np.array([[1.0, 0.5, 2.0], [0.2, -0.1, 0.2]]))
    assert not gains["supervised"].any()


def test_the_order_of_the_rows_does_not_matter() -> None:
    settings = settings_of_two_tasks()
    frame = frame_of(settings, VALUES)
    shuffled = normalised_gains(frame.sample(frac=1.0, random_state=3), settings)
    assert all(np.array_equal(shuffled[m], own) for m, own in normalised_gains(frame, settings).items())


def test_of_a_logarithmic_metric_logarithms_gain() -> None:
    settings = settings_of_two_tasks(scales={"up": MetricScale(100.0, 1.0, log=True), "ter": MetricScale(1.5, 0.0)})
    values = {**VALUES, ("imdb", "supervised"): [20.0] * 3, ("imdb", "supervised_ppo"): [10.0, 20.0, 40.0]}
    gains = normalised_gains(frame_of(settings, values), settings)
    assert gains["supervised_ppo"][0] == pytest.approx(np.array([1, 0, -1]) * math.log(2) / 0.1)
    whole = normalised_gains(frame_of(settings, values), replace(settings, gain_scales={}))
    assert whole["supervised_ppo"][0] == pytest.approx(np.array([1, 0, -1]) * math.log(2) / math.log(100))


def test_a_run_that_is_not_there_is_named() -> None:
    settings = settings_of_two_tasks()
    frame = frame_of(settings, VALUES)
    lacking = frame[~((frame["task"] == "common_gen") & (frame["method"] == "supervised") & (frame["seed"] == 1))]
    with pytest.raises(DataError, match="run common_gen/supervised/seed1: no value of ter"):
        normalised_gains(lacking, settings)


def test_a_contrast_of_three_runs_by_hand() -> None:
    """Six differences: 1, 0.5, 2, 0.2, -0.1, 0.2; below five seeds there is no p."""
    settings = settings_of_two_tasks(contrasts=(RL,))
    gains = normalised_gains(frame_of(settings, VALUES), settings)
    (row,) = contrast_frame(gains, settings).to_dict("records")
    assert row["difference"] == pytest.approx(3.8 / 6)
    assert row["improvement"] == pytest.approx((1 + 2 / 3) / 2)
    variance = ((1 - 3.5 / 3) ** 2 + (0.5 - 3.5 / 3) ** 2 + (2 - 3.5 / 3) ** 2 + 2 * 0.1**2 + 0.2**2) / 8
    assert row["effect_size"] == pytest.approx(3.8 / 6 / math.sqrt(variance) * (1 - 3 / 31))
    assert pd.isna(row["p"]) and pd.isna(row["p_holm"])
    table = contrasts_table(SuiteStatistics.of(frame_of(settings, VALUES), settings), settings)
    assert [cell.text for cell in table.rows[0]][5:7] == ["–", "–"]
    assert any("3 seeds: no p is shown" in note for note in table.notes)


def five_seeds(contrasts: tuple[Contrast, ...], shift: float) -> tuple[SuiteSettings, pd.DataFrame]:
    settings = settings_of_two_tasks(
        seeds=tuple(range(5)), methods=("supervised", "supervised_ppo", "supervised_nlpo"), contrasts=contrasts
    )
    noise = {name: [((7 * i * (k + 2)) % 11) / 100 for i in range(5)] for k, name in enumerate(settings.methods)}
    values = {
        (task, method): [0.5 + shift * (method == "supervised_ppo") * (1 if task == "imdb" else -1) + x for x in own]
        for task in settings.tasks
        for method, own in noise.items()
    }
    return settings, frame_of(settings, values)


def test_from_five_seeds_on_p_values_are_shown_and_adjusted() -> None:
    mask = Contrast("mask", "supervised_nlpo", "supervised", "Does NLPO?")
    settings, frame = five_seeds((RL, mask), shift=0.5)
    rows = contrast_frame(normalised_gains(frame, settings), settings).set_index("name")
    assert rows.loc["rl", "p"] == 2 / 2**10, "ten differences, all of one sign"
    assert rows.loc["rl", "p_holm"] == 2 * rows.loc["rl", "p"]
    assert rows.loc["mask", "p_holm"] == max(rows.loc["mask", "p"], rows.loc["rl", "p_holm"])
    assert rows.loc["rl", "low"] > 0 and rows.loc["rl", "improvement"] == 1.0
    fewer = replace(settings, contrasts=(RL,))
    alone = contrast_frame(normalised_gains(frame, fewer), fewer)
    assert alone["p"][0] == rows.loc["rl", "p"], "a contrast does not depend on which others are asked"


def test_frames_are_of_the_warm_start_and_what_starts_from_it(scores: SuiteScores) -> None:
    statistics = SuiteStatistics.of(scores.frame, scores.settings)
    warm = ["supervised", "supervised_ppo"]
    assert list(statistics.gains) == list(scores.settings.methods)
    assert list(dict.fromkeys(statistics.estimates["method"])) == warm
    overall = statistics.estimates[statistics.estimates["task"] == ALL_TASKS]
    assert list(overall["statistic"]) == [*ESTIMATES, *ESTIMATES]
    assert len(statistics.pairs) == len(scores.settings.tasks) + 1
    assert statistics.contrasts.empty
    chances = improvement(statistics.gains["supervised"], statistics.gains["supervised_ppo"])
    assert statistics.pairs["improvement"].iloc[-1] == pytest.approx(chances.mean())
    shares = statistics.profiles.groupby("method")["share"]
    assert (shares.first() >= shares.last()).all() and (shares.last() == 0).all()
    assert statistics.profiles["low"].isna().all(), "two seeds have no bands"


def test_five_seeds_have_bands(suite_with: Callable[..., SuiteScores]) -> None:
    scores = suite_with(seeds=tuple(range(5)))
    profiles = SuiteStatistics.of(scores.frame, scores.settings).profiles
    assert ((profiles["low"] <= profiles["share"]) & (profiles["share"] <= profiles["high"])).all()


def test_improvement_reads_both_ways() -> None:
    settings, frame = five_seeds((), shift=0.02)
    table = improvement_table(SuiteStatistics.of(frame, settings), settings)
    values = [[cell.value for cell in row[1:]] for row in table.rows]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert values[i][j] + values[j][i] == pytest.approx(1.0)  # type: ignore[operator]
        assert values[i][i] is None


def test_nothing_is_in_bold(suite_with: Callable[..., SuiteScores]) -> None:
    scores = suite_with(seeds=tuple(range(5)), contrasts=(RL,))
    tables = statistics_tables(SuiteStatistics.of(scores.frame, scores.settings), scores.settings)
    assert [table.key for table in tables] == ["gains", "contrasts", "improvement"]
    assert not any(cell.best for table in tables for row in table.rows for cell in row)


def test_a_suite_without_rl_has_nothing_to_compare(suite_with: Callable[..., SuiteScores]) -> None:
    scores = suite_with(methods=("zero_shot", "supervised"))
    statistics = SuiteStatistics.of(scores.frame, scores.settings)
    assert [len(table.rows) for table in statistics_tables(statistics, scores.settings)] == [0]
    assert statistics.pairs.empty


def test_numbers_do_not_depend_on_which_methods_stand_beside(suite_with: Callable[..., SuiteScores]) -> None:
    both = SuiteStatistics.of((more := suite_with(methods=METHODS)).frame, more.settings)
    fewer = SuiteStatistics.of(more.frame, replace(more.settings, methods=METHODS[:-1]))
    for statistic in ("iqm", "mean", "median"):
        assert both.intervals(statistic)["supervised_ppo"] == fewer.intervals(statistic)["supervised_ppo"]


METHODS = ("supervised", "supervised_ppo", "supervised_nlpo")


# What params say of it.


@pytest.mark.parametrize("suite", ["mini", "tiny", "real", "paper"])
def test_every_suite_has_a_family_of_its_methods(suite: str) -> None:
    settings = SuiteSettings.from_params(Params.open(PARAMS, suite))
    assert 1 <= len(settings.contrasts) <= 8
    assert {m for each in settings.contrasts for m in (each.method, each.against)} <= set(settings.methods)
    assert all(settings.gain_scale(task) > 0 for task in settings.tasks)


ENTRY = {"name": "rl", "method": "supervised_ppo", "against": "supervised", "question": "?"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"contrasts": [{**ENTRY, "method": "supervised_pppo"}]}, r'rl.method: unknown method "supervised_pppo". Did'),
        ({"contrasts": [{**ENTRY, "against": "supervised_trop"}]}, r"rl.against: .*supervised_trpo"),
        ({"contrasts": [ENTRY, ENTRY]}, "rl is there twice"),
        ({"contrasts": [{**ENTRY, "against": "supervised_ppo"}]}, "supervised_ppo against itself"),
        ({"contrasts": [{**ENTRY, "name": str(i)} for i in range(9)]}, "9 contrasts; expected at most 8"),
        ({"contrasts": [{"name": "rl"}]}, r"aggregate.contrasts\[0\].method: missing"),
        ({"gain_scale": {"imbd": 0.1}}, r'gain_scale: unknown task "imbd". Did you mean "imdb"'),
        ({"gain_scale": {"imdb": 0.0}}, r"gain_scale.imdb: expected a number > 0"),
    ],
)
def test_an_unsound_family_is_one_clear_line(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    params = Params.open(PARAMS, "mini")
    grue = load_yaml(PARAMS / "grue.yaml")
    params = params.changed("grue.yaml", {f"aggregate.{key}": value for key, value in change.items()})
    assert grue["aggregate"].keys() >= change.keys()
    with pytest.raises(ConfigError, match=message) as raised:
        SuiteSettings.from_params(params)
    assert "\n" not in str(raised.value)


def test_no_contrast_is_fine() -> None:
    params = Params.open(PARAMS, "mini").changed("grue.yaml", {"aggregate.contrasts": []})
    assert SuiteSettings.from_params(params).contrasts == ()
