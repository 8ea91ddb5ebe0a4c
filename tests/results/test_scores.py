from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl4lms.config.params import Params
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.results.curves import COLUMNS as CURVE_COLUMNS
from rl4lms.results.curves import seeds_mean
from rl4lms.results.scores import COLUMNS, SuiteScores
from rl4lms.results.suite import MetricScale, SuiteSettings
from rl4lms.results.table_formats import to_csv

REPOSITORY = Path(__file__).resolve().parents[2]


def change(path: Path, edit: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))


def test_scale_by_hand() -> None:
    assert MetricScale(0.0, 50.0).normalise([0, 25, 75]).tolist() == [0.0, 0.5, 1.5]  # not clipped
    assert MetricScale(1.5, 0.0).normalise([1.5, 0.75, 0.0]).tolist() == [0.0, 0.5, 1.0]
    # Perplexity: its logarithm with the sign turned; 1000 is worst, 1 best, so 10 is two thirds of the way.
    np.testing.assert_allclose(MetricScale(1000.0, 1.0, log=True).normalise([1000, 10, 1]), [0, 2 / 3, 1], atol=1e-12)


def test_direction_follows_from_the_bounds() -> None:
    assert MetricScale(0, 1).higher_is_better
    assert not MetricScale(1000, 1, log=True).higher_is_better


def test_a_logarithm_needs_a_positive_value() -> None:
    with pytest.raises(DataError, match="no logarithm"):
        MetricScale(1000.0, 1.0, log=True).normalise([3.0, 0.0])


def test_the_shipped_params_are_complete() -> None:
    settings = SuiteSettings.from_params(Params.open(REPOSITORY / "params"))
    assert set(settings.main_metrics) == set(settings.tasks)
    assert settings.methods[:2] == ("zero_shot", "supervised")
    assert settings.scales["fluency_metrics/perplexity"].log
    assert "fluency_metrics/perplexity" in settings.naturalness


class FakeParams:
    directory = Path("params")

    def __init__(self, metrics: dict[str, Any], main: str) -> None:
        bootstrap = {"n_resamples": 10, "confidence": 0.95, "seed": 0}
        aggregate = {"bootstrap": bootstrap, "metrics": metrics, "published": []}
        self._grue = {"suite": "mini", "tasks": ["imdb"], "algs": ["ppo"], "seeds": [0], "aggregate": aggregate}
        self._main = main

    def grue(self) -> dict[str, Any]:
        return self._grue

    def task(self, name: str) -> dict[str, Any]:
        return {"evaluation": {"main_metric": self._main}}


@pytest.mark.parametrize(
    ("entry", "main", "message"),
    [
        (
            {"kind": "task", "worst": 0.0, "best": 1.0},
            "metre",
            'main metric of task imdb: unknown metric "metre". Did you mean "meteor"',
        ),
        (
            {"kind": "task", "worst": 1.0, "best": 1.0},
            "meteor",
            "aggregate.metrics.meteor: worst and best are both 1.0",
        ),
        ({"kind": "task", "worst": 10.0, "best": 0.0, "log": True}, "meteor", "expected numbers above 0"),
    ],
)
def test_settings_name_what_is_wrong(entry: dict[str, Any], main: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        SuiteSettings.from_params(FakeParams({"meteor": entry}, main))  # type: ignore[arg-type]
    assert message in str(raised.value)


def test_the_long_table_has_a_row_per_run_and_metric(scores: SuiteScores) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(scores.frame))))
    assert list(rows[0]) == list(scores.frame) == COLUMNS
    assert len(rows) == sum(len(run.metrics) for run in scores.runs.values())
    row = next(r for r in rows if r["metric"] == "fluency_metrics/perplexity")
    assert (row["task"], row["split"], row["n"], row["higher_is_better"]) == ("imdb", "test", "40", "false")
    assert next(r for r in rows if r["metric"] == "kl/per_token")["higher_is_better"] == ""
    value = scores.runs["common_gen", "ppo", 1].metrics["lexical/meteor"]
    found = [r for r in rows if (r["task"], r["method"], r["seed"]) == ("common_gen", "ppo", "1")]
    assert float(next(r for r in found if r["metric"] == "lexical/meteor")["value"]) == value  # in full precision


def test_runs_keep_the_scores_per_sample_that_are_tested(scores: SuiteScores) -> None:
    run = scores.runs["common_gen", "ppo", 1]
    assert {*run.columns} == {"lexical/meteor", "reward"}
    assert {*run.with_columns(["reward", "absent"]).columns} == {"reward"}


def test_scores_per_sample_are_used_where_their_mean_is_the_corpus_value(scores: SuiteScores) -> None:
    table = scores.table("common_gen", "ppo", "lexical/meteor")
    assert table.shape == (2, 40)
    np.testing.assert_allclose(table.mean(axis=1), scores.values("common_gen", "ppo", "lexical/meteor"))
    assert scores.table("iwslt2017", "ppo", "lexical/sacrebleu").shape == (2, 1)
    assert scores.values("common_gen", "ppo", "fluency_metrics/perplexity") is None


def test_a_missing_run_is_named(own_runs: Path, settings: SuiteSettings) -> None:
    (own_runs / "iwslt2017/ppo/seed1/metrics.json").unlink()
    with pytest.raises(DataError, match=r"run iwslt2017/ppo/seed1 is missing\. Evaluate it"):
        SuiteScores.read(own_runs, settings)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: {k: v for k, v in m.items() if k != "n"}, 'whole number "n"'),
        (lambda m: {**m, "reward": "n/a"}, "reward is 'n/a'; expected a finite number"),
        (lambda m: [1], "expected an object of numbers"),
        (lambda m: {**m, "reward": 0.9}, "metrics.json: reward is 0.9, but 0."),
    ],
)
def test_a_broken_metrics_file_is_named(own_runs: Path, settings: SuiteSettings, edit: Any, message: str) -> None:
    change(own_runs / "common_gen/ppo/seed0/metrics.json", edit)
    with pytest.raises(DataError, match="common_gen/ppo/seed0") as raised:
        SuiteScores.read(own_runs, settings)
    assert message in str(raised.value)


def test_predictions_must_be_those_of_the_split(own_runs: Path, settings: SuiteSettings) -> None:
    change(own_runs / "imdb/ppo/seed0/test_predictions.json", lambda rows: rows[:-1])
    with pytest.raises(DataError, match="expected a list of 40 predictions, found 39"):
        SuiteScores.read(own_runs, settings).table("imdb", "ppo", "reward")


def without_record(runs: Path) -> None:
    """As the release before wrote it: a line that says neither of which run it is nor what is a mean."""
    for path in runs.glob("*/*/*/test_split_metrics.jsonl"):
        change(path, lambda line: {key: line[key] for key in ("epoch", "metrics", "labels")})


def without(key: str) -> Callable[[Any], Any]:
    return lambda content: {k: v for k, v in content.items() if k != key}


def edit(row: int, **scores: Any) -> Callable[[Any], Any]:
    return lambda rows: [{**each, **scores} if i == row else each for i, each in enumerate(rows)]


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize(
    ("run", "metric"),
    [("imdb/ppo/seed1", "reward"), ("common_gen/zero_shot/seed0", "lexical/meteor"), ("iwslt2017/ppo/seed0", "reward")],
)
def test_scores_per_sample_have_the_mean_that_is_shown(
    own_runs: Path, settings: SuiteSettings, run: str, metric: str, recorded: bool
) -> None:
    if not recorded:
        without_record(own_runs)
    SuiteScores.read(own_runs, settings)
    change(own_runs / run / "test_predictions.json", edit(3, **{metric: 0.999}))
    with pytest.raises(
        DataError, match=rf"{run}/test_predictions\.json: the 40 scores of {metric} have the mean 0\."
    ) as e:
        SuiteScores.read(own_runs, settings)
    assert "\n" not in str(e.value)


def test_a_corpus_value_need_not_be_the_mean(own_runs: Path, settings: SuiteSettings) -> None:
    """Of sacreBLEU it is not, and no list says so; the previous release did not say it either."""
    run = own_runs / "iwslt2017/ppo/seed0"
    change(run / "test_predictions.json", edit(3, **{"lexical/sacrebleu": 0.999}))
    SuiteScores.read(own_runs, settings)
    without_record(own_runs)
    scores = SuiteScores.read(own_runs, settings)
    assert scores.table("iwslt2017", "ppo", "lexical/sacrebleu").shape == (2, 1)


@pytest.mark.parametrize("value", ["high", None, True, float("nan")])
def test_a_score_per_sample_is_a_number(own_runs: Path, settings: SuiteSettings, value: Any) -> None:
    change(own_runs / "imdb/ppo/seed0/test_predictions.json", edit(5, reward=value))
    with pytest.raises(DataError, match=r"imdb/ppo/seed0/test_predictions\.json: .*reward|test_predictions\.json.*NaN"):
        SuiteScores.read(own_runs, settings)


def test_a_metric_of_some_seeds_is_refused(own_runs: Path, settings: SuiteSettings) -> None:
    run = own_runs / "imdb/ppo/seed1"
    change(run / "metrics.json", without("reward"))
    change(run / "test_split_metrics.jsonl", lambda line: {**line, "metrics": without("reward")(line["metrics"])})
    with pytest.raises(DataError, match="imdb/ppo: reward is there for some seeds only"):
        SuiteScores.read(own_runs, settings).values("imdb", "ppo", "reward")


def test_runs_measured_in_different_ways_are_not_compared(own_runs: Path, settings: SuiteSettings) -> None:
    path = own_runs / "common_gen/ppo/seed1/test_split_metrics.jsonl"
    change(path, lambda line: {**line, "labels": {"lexical/meteor": "WordNet 3.1"}})
    with pytest.raises(DataError, match=r'common_gen/ppo/seed1: lexical/meteor was measured with "WordNet 3\.1"'):
        _ = SuiteScores.read(own_runs, settings).labels


def test_a_task_without_its_main_metric_is_named(own_runs: Path, settings: SuiteSettings) -> None:
    run = own_runs / "common_gen/ppo/seed0"
    change(run / "metrics.json", without("lexical/meteor"))
    change(
        run / "test_split_metrics.jsonl", lambda line: {**line, "metrics": without("lexical/meteor")(line["metrics"])}
    )
    with pytest.raises(DataError, match="common_gen/ppo/seed0: no value for the task's main metric lexical/meteor"):
        SuiteScores.read(own_runs, settings)


def test_curves_are_one_long_table_of_every_rl_run(scores: SuiteScores) -> None:
    curves = scores.curves
    assert list(curves) == CURVE_COLUMNS
    assert len(curves) == 3 * 2 * 2 * (10 + 10 + 3)  # tasks, RL methods, seeds; points of reward, KL, main metric
    of_imdb = curves[(curves["task"] == "imdb") & (curves["method"] == "ppo") & (curves["seed"] == 0)]
    assert list(of_imdb[of_imdb["metric"] == "reward"]["iteration"]) == list(range(10))
    assert list(of_imdb[of_imdb["metric"] == "main_metric"]["iteration"]) == [0, 5, 9]
    assert scores.curves_of("imdb", "kl").equals(curves[(curves["task"] == "imdb") & (curves["metric"] == "kl")])


def test_the_mean_of_seeds_is_over_iterations_that_all_have(scores: SuiteScores) -> None:
    reward = scores.curves_of("imdb", "reward")
    runs = reward[(reward["method"] == "ppo") & ((reward["seed"] == 0) | (reward["iteration"] < 7))]
    mean = seeds_mean(runs)
    assert list(mean.index) == list(range(7))
    assert mean[3] == pytest.approx(runs[runs["iteration"] == 3]["value"].mean())


def test_a_run_without_curves_is_named(own_runs: Path, settings: SuiteSettings) -> None:
    (own_runs / "imdb/supervised_ppo/seed0/rollout_info.jsonl").unlink()
    with pytest.raises(DataError, match=r"imdb/supervised_ppo/seed0/rollout_info\.jsonl: no such file"):
        _ = SuiteScores.read(own_runs, settings).curves


def test_a_curve_without_its_value_is_named(own_runs: Path, settings: SuiteSettings) -> None:
    path = own_runs / "imdb/ppo/seed0/rollout_info.jsonl"
    path.write_text('{"iteration": 0, "rollout/kl_mean": 0.1}\n')
    with pytest.raises(DataError, match=r"rollout_info\.jsonl, line 1: rollout/ep_rew_mean is None"):
        _ = SuiteScores.read(own_runs, settings).curves
