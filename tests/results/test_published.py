"""Published numbers beside ours: rows, verdicts, sources, and no trace of them in other suites."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from rl4lms.config.compose import methods
from rl4lms.config.params import Params
from rl4lms.config.params_schema import PublishedParams
from rl4lms.core.errors import ConfigError
from rl4lms.results.published import published_tables, verdict
from rl4lms.results.scores import SuiteScores
from rl4lms.results.statistics import Interval
from rl4lms.results.suite import SuiteSettings
from rl4lms.results.table_formats import latex, markdown, method_csv
from tests.results.conftest import PERPLEXITY, tables_of

REPOSITORY = Path(__file__).resolve().parents[2]
SENTIMENT = "semantic/learned_automodel_metric"


def number(value: float, method: str = "ppo", metric: str = SENTIMENT, split: str = "test", task: str = "imdb"):
    kind, source = ("paper, second-hand", "a card") if method == "ppo" else ("rerun", "issue 28")
    return PublishedParams(task, method, metric, value, kind, split, source)


@pytest.mark.parametrize(
    ("ours", "split", "said"),
    [
        (Interval(0.60, 0.59, 0.61, 5, "t"), "test", "inside the interval"),
        (Interval(0.59, 0.58, 0.60, 5, "t"), "test", "inside the interval"),
        (Interval(0.59, 0.58, 0.5999, 5, "t"), "test", "differs"),
        (Interval(0.65, 0.64, 0.66, 5, "t"), "test", "differs"),
        (Interval(0.60, 0.59, 0.61, 2, "range"), "test", "no interval"),
        (Interval(0.60, 0.60, 0.60, 1, "point"), "test", "no interval"),
        (Interval(0.60, 0.59, 0.61, 5, "t"), "validation", "another split"),
        (None, "test", "not run"),
        (None, "validation", "not run"),
    ],
)
def test_verdict(ours: Interval | None, split: str, said: str) -> None:
    assert verdict(ours, number(0.60, split=split)) == said


def test_a_row_for_each_number_with_ours_and_its_source(suite_with: Callable[..., SuiteScores]) -> None:
    plain = suite_with(seeds=(0, 1, 2, 3, 4))
    ours = {method: plain.over_seeds("imdb", SENTIMENT)[method] for method in ("ppo", "supervised")}
    given = (
        number(ours["ppo"].mean),
        number(ours["supervised"].high + 1e-6, "supervised"),
        number(0.611, "nlpo"),
        number(33.816, metric=PERPLEXITY, split="validation"),
        number(0.3, task="totto"),  # no task of this suite
    )
    scores = suite_with(seeds=(0, 1, 2, 3, 4), published=given)
    (table,) = published_tables(scores)
    assert table.key == "paper_imdb" and len(table.rows) == 4
    rows = [[cell.text for cell in row] for row in table.rows]
    assert [row[0] for row in rows] == ["Supervised", "PPO", "PPO", "NLPO"], "in the order of the suite's methods"
    assert [row[4] for row in rows] == ["differs", "inside the interval", "another split", "not run"]
    assert [row[3] == "–" for row in rows] == [False, False, False, True]
    assert rows[2][2] == "33.82" and rows[3][2] == "0.611"
    assert table.rows[1][3].value == ours["ppo"].mean
    assert [row[5] for row in rows] == [
        "rerun, test (1)", "paper, second-hand, test (2)", "paper, second-hand, validation (2)", "rerun, test (1)",
    ]  # fmt: skip
    assert table.notes[1].startswith("Second-hand") and table.notes[2:] == ("(1) issue 28.", "(2) a card.")
    shown = {each.key: each for each in tables_of(scores)}
    assert shown["paper_imdb"] == table
    assert "inside the interval" in markdown([table], "GRUE") and "0.611" in latex([table])
    assert "paper" not in method_csv([shown["task"], table], scores.settings.methods), "numbers that are not ours"


def test_other_suites_show_none(suite_with: Callable[..., SuiteScores]) -> None:
    assert published_tables(suite_with()) == []
    for suite in ("mini", "tiny", "real", "study"):
        assert SuiteSettings.from_params(Params.open(REPOSITORY / "params", suite)).published == ()


def test_what_the_suite_paper_shows_is_of_its_tasks_methods_and_metrics() -> None:
    """On the scale of our metrics, with the metric among those of its task, and no number twice."""
    params = Params.open(REPOSITORY / "params", "paper")
    settings = SuiteSettings.from_params(params)
    results = {
        "semantic/learned_automodel_metric": "learned_reward", "fluency_metrics/perplexity": "causal_perplexity",
        "lexical/meteor": "meteor", "lexical/bleu": "bleu", "lexical/rouge_l_max": "rouge_l_max",
        "table_to_text/parent_overall_f_score": "parent_totto",
    }  # fmt: skip
    assert len(settings.published) > 20
    for each in settings.published:
        assert each.task in settings.tasks and each.method in methods(["ppo", "nlpo"])
        assert math.isfinite(each.value) and (each.metric == PERPLEXITY or 0 < each.value < 1)
        measured = {metric["id"] for metric in params.task(each.task)["evaluation"]["metrics"]}
        assert results.get(each.metric, "rouge") in measured and each.source
    assert len({(e.task, e.method, e.metric, e.source) for e in settings.published}) == len(settings.published)


def test_a_kind_that_is_unknown_is_refused() -> None:
    changed = Params.open(REPOSITORY / "params", "paper").changed(
        "grue.yaml", {"aggregate.published": [{**vars(number(0.5)), "kind": "hearsay"}]}
    )
    with pytest.raises(ConfigError, match=r'kind: expected "paper" or .*, found "hearsay"'):
        changed.grue()
