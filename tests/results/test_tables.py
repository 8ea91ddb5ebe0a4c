from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl4lms.config.compose import BASELINES, methods
from rl4lms.core.errors import DataError
from rl4lms.results.averages import naturalness_average, task_average
from rl4lms.results.gains import COLUMNS, REWARD_GAIN, SUPERVISED_GAIN, gains, suite_gains, tasks_where
from rl4lms.results.scores import SuiteScores
from rl4lms.results.seed_statistics import not_worse
from rl4lms.results.statistics import Interval
from rl4lms.results.suite import SuiteSettings
from rl4lms.results.table import Cell, Column, Table, decimals, interval_text
from rl4lms.results.table_formats import PAGE_ROWS, latex, markdown, markdown_table, method_csv, tex_escape, to_csv
from rl4lms.results.tables import detail_table, metric_table, task_table

from . import conftest
from .conftest import LEVELS, PERPLEXITY, tables_of


@pytest.fixture(scope="module")
def tables(scores: SuiteScores) -> dict[str, Table]:
    return {table.key: table for table in tables_of(scores)}


def cell(table: Table, row: str, column: str) -> Cell:
    keys = [c.key for c in table.columns]
    return table.rows[table.row_keys.index(row)][keys.index(column)]


def test_task_table_has_means_ranges_and_the_average(tables: dict[str, Table], scores: SuiteScores) -> None:
    table = tables["task"]
    assert [c.key for c in table.columns] == ["method", "imdb", "common_gen", "iwslt2017", "average"]
    assert table.row_keys == ("zero_shot", "supervised", "ppo", "supervised_ppo")
    values = scores.values("common_gen", "supervised", "lexical/meteor")
    assert values is not None
    found = cell(table, "supervised", "common_gen")
    assert (found.value, found.low, found.high) == (pytest.approx(np.mean(values)), min(values), max(values))
    assert found.text == f"{np.mean(values):.3f} ({min(values):.3f}–{max(values):.3f})"


def test_average_is_the_mean_of_the_tasks(scores: SuiteScores) -> None:
    interval = task_average(scores, "ppo")
    means = [np.mean(scores.values(task, "ppo", metric)) for task, metric in scores.settings.main_metrics.items()]
    assert interval.mean == pytest.approx(np.mean(means))  # all scales are 0..1
    assert interval.low < interval.mean < interval.high
    assert (interval.n, interval.kind) == (6, "t")


def test_average_of_one_method_does_not_depend_on_the_others(suite_with: Callable[..., SuiteScores]) -> None:
    fewer = suite_with(methods=("zero_shot", "ppo"))
    assert task_average(fewer, "ppo") == task_average(suite_with(), "ppo")


def test_naturalness_is_the_mean_of_its_scaled_metrics(scores: SuiteScores) -> None:
    interval = naturalness_average(scores, "supervised")
    assert interval is not None
    perplexity = 40.0 - 20.0 * LEVELS["supervised"]
    imdb = (1 - np.log(perplexity) / np.log(1000) + 0.505) / 2
    assert interval.mean == pytest.approx((imdb + 0.505 + 0.505) / 3)


@pytest.mark.parametrize(("n_seeds", "best"), [(1, []), (2, []), (4, []), (5, ["supervised_ppo"])])
def test_what_is_best_is_marked_from_five_seeds_on(
    suite_with: Callable[..., SuiteScores], n_seeds: int, best: list[str]
) -> None:
    """In every table, whichever way the metric runs, and in no format that is written of it."""
    scores = suite_with(seeds=tuple(range(n_seeds)))
    tables = tables_of(scores)
    by_key = {table.key: table for table in tables}
    for key in ("task", "naturalness", PERPLEXITY):
        assert [row[0].value for row in by_key[key].rows if row[1].best] == best, key
    details = [detail_table(scores, task) for task in scores.settings.tasks]
    marked = any(cell.best for table in [*tables, *details] for row in table.rows for cell in row)
    texts = {markdown(tables, "all"): "**", latex(tables): "textbf"}
    assert marked == bool(best)
    assert all((mark in text) == bool(best) for text, mark in texts.items())
    said = "\n".join(note for table in tables for note in table.notes)
    assert ("In bold: what cannot be told from the best" in said) == bool(best)
    assert "speak of these two checkpoints on these test samples, not of the methods" in said
    assert not any(cell.best for key in (REWARD_GAIN, SUPERVISED_GAIN, "gains") for r in by_key[key].rows for cell in r)
    assert ("cannot tell methods apart" in said) == (1 < n_seeds < 5)


def test_perplexities_are_told_apart_by_their_logarithms(suite_with: Callable[..., SuiteScores]) -> None:
    """A method whose texts fell apart scatters so far in its raw values that no test tells it from the best."""
    scores = suite_with(seeds=tuple(range(5)))
    for seed, perplexity in enumerate([500.0, 3000.0, 900.0, 8000.0, 460.0]):
        scores.runs["imdb", "ppo", seed].metrics[PERPLEXITY] = perplexity  # type: ignore[index]
    (row,) = (row for row in metric_table(scores, PERPLEXITY).rows if row[0].value == "ppo")
    raw = {m: np.array([scores.values("imdb", m, PERPLEXITY)]) for m in scores.settings.methods}
    assert "ppo" in not_worse(raw, higher_is_better=False, level=0.95)
    assert not row[1].best


def test_where_nobody_is_out_nothing_is_marked(suite_with: Callable[..., SuiteScores], monkeypatch: Any) -> None:
    """All methods of one level, so that seeds are all that differs; some column of three may still have one out."""
    monkeypatch.setattr(conftest, "LEVELS", dict.fromkeys(LEVELS, 0.4))
    scores = suite_with(seeds=tuple(range(5)), methods=("zero_shot", "supervised", "ppo"))
    table = task_table(scores)
    marked = [sum(row[i].best for row in table.rows) for i in range(1, len(table.columns))]
    assert 0 in marked and all(n < len(table.rows) for n in marked)


def test_the_range_of_a_few_seeds_is_called_no_interval(tables: dict[str, Table]) -> None:
    (note,) = (note for note in tables["task"].notes if note.startswith("Mean over 2 seeds"))
    assert "the range of these runs, not an interval that another would fall into" in note


def test_kl_has_no_best_and_zero_shot_none(tables: dict[str, Table]) -> None:
    table = tables["kl_per_token"]
    assert not any(c.best for row in table.rows for c in row)
    assert cell(table, "zero_shot", "imdb").value == 0.0
    assert cell(table, "ppo", "imdb").text == "0.017"
    assert tables["base_perplexity"].row_keys == ("zero_shot",)
    assert cell(tables["base_perplexity"], "zero_shot", "imdb").text == "30.00"


def test_labels_of_metrics_stand_below_the_table(tables: dict[str, Table]) -> None:
    assert "METEOR: WordNet 3.0." in tables["task"].notes


def test_gains_are_the_known_ones(scores: SuiteScores) -> None:
    found = suite_gains(scores)
    reward = found[found["table"] == REWARD_GAIN]
    assert len(reward) == 3 * 2 * 2
    assert reward["significant"].all() and reward["tests_the_gain"].all()
    starts = set(zip(reward["method"], reward["start"], strict=True))
    assert starts == {("ppo", "zero_shot"), ("supervised_ppo", "supervised")}
    assert tasks_where(found, REWARD_GAIN, "significant") == ["imdb", "common_gen", "iwslt2017"]


def test_one_failing_seed_takes_the_task_away(own_runs: Path, settings: SuiteSettings) -> None:
    worse, start = (own_runs / f"imdb/{method}/seed1" for method in ("ppo", "zero_shot"))
    for name in ("metrics.json", "test_predictions.json", "test_split_metrics.jsonl"):
        (worse / name).write_text((start / name).read_text().replace('"zero_shot"', '"ppo"'))
    found = suite_gains(SuiteScores.read(own_runs, settings))
    (equal,) = found[(found["task"] == "imdb") & (found["method"] == "ppo") & (found["seed"] == 1)].to_dict("records")
    assert (equal["gain"], equal["better"], equal["significant"]) == (0.0, False, False)
    assert equal["p"] == 1.0
    assert tasks_where(found, REWARD_GAIN, "significant") == ["common_gen", "iwslt2017"]


def test_corpus_metrics_are_tested_by_their_scores_per_sample(scores: SuiteScores, tables: dict[str, Table]) -> None:
    found = suite_gains(scores)
    rows = found[(found["task"] == "iwslt2017") & (found["table"] == SUPERVISED_GAIN)]
    assert rows["significant"].all() and not rows["tests_the_gain"].any()
    assert cell(tables[SUPERVISED_GAIN], "iwslt2017/supervised/seed0", "gain").low is None
    assert any(note.startswith("sacreBLEU: the corpus value") for note in tables[SUPERVISED_GAIN].notes)


def test_without_scores_per_sample_there_is_no_p(own_runs: Path, settings: SuiteSettings) -> None:
    for path in own_runs.glob("iwslt2017/*/*/test_predictions.json"):
        rows = json.loads(path.read_text())
        path.write_text(json.dumps([{k: v for k, v in row.items() if k != "lexical/sacrebleu"} for row in rows]))
    scores = SuiteScores.read(own_runs, settings)
    table = {t.key: t for t in tables_of(scores)}[SUPERVISED_GAIN]
    assert cell(table, "iwslt2017/supervised/seed0", "p").text == "–"
    assert "sacreBLEU: no scores per sample, so no p." in table.notes
    rows = list(csv.DictReader(io.StringIO(to_csv(suite_gains(scores), COLUMNS))))
    untested = [row for row in rows if (row["table"], row["task"]) == (SUPERVISED_GAIN, "iwslt2017")]
    assert [(row["p"], row["gain:low"]) for row in untested] == [("", "")] * 2


def test_lower_is_better_gains_by_falling(scores: SuiteScores) -> None:
    row = next(gains(scores, "imdb", "supervised", "zero_shot", PERPLEXITY))
    assert row["value"] < row["start_value"]
    assert row["gain"] == pytest.approx(20 * (LEVELS["supervised"] - LEVELS["zero_shot"]))
    assert row["better"]


def test_other_samples_are_not_compared(own_runs: Path, settings: SuiteSettings) -> None:
    path = own_runs / "imdb/ppo/seed0/test_predictions.json"
    path.write_text(path.read_text().replace("test_39", "test_99"))
    with pytest.raises(DataError, match="imdb/ppo/seed0 and imdb/zero_shot/seed0: scored on different samples"):
        suite_gains(SuiteScores.read(own_runs, settings))


def test_five_seeds_show_a_t_interval(suite_with: Callable[..., SuiteScores]) -> None:
    table = task_table(suite_with(seeds=(0, 1, 2, 3, 4)))
    assert re.fullmatch(r"0\.\d{3} ± 0\.\d{3}", cell(table, "ppo", "imdb").text)
    assert any("Student-t" in note for note in table.notes)


def test_one_seed_shows_the_value_alone(suite_with: Callable[..., SuiteScores]) -> None:
    table = task_table(suite_with(seeds=(3,)))
    assert re.fullmatch(r"0\.\d{3}", cell(table, "ppo", "imdb").text)
    assert any(note.startswith("One seed: no interval") for note in table.notes)


def test_detail_table_has_every_metric_of_the_task(scores: SuiteScores) -> None:
    table = detail_table(scores, "imdb")
    assert set(table.row_keys) == set(scores.runs["imdb", "ppo", 0].metrics)
    assert [c.key for c in table.columns] == ["metric", *scores.settings.methods]


@pytest.mark.parametrize(
    ("interval", "digits", "text"),
    [
        (Interval(0.5124, 0.508, 0.5168, 2, "range"), 3, "0.512 (0.508–0.517)"),
        (Interval(0.5124, 0.5084, 0.5164, 5, "t"), 3, "0.512 ± 0.004"),
        (Interval(0.5124, 0.4, 0.6, 14, "bootstrap"), 2, "0.51 [0.40, 0.60]"),
        (Interval(0.5124, 0.5123, 0.5125, 2, "range"), 3, "0.512"),
        (Interval(32.171, 32.171, 32.171, 1, "point"), 2, "32.17"),
    ],
)
def test_interval_text(interval: Interval, digits: int, text: str) -> None:
    assert interval_text(interval, digits) == text


def test_decimals() -> None:
    assert [decimals(values) for values in ([0.1], [9.9, -3], [33.0], [120.0], [])] == [3, 3, 2, 1, 3]


HOSTILE = Table(
    "hostile",
    "100% of a_b & <b>",
    (Column("method", "Method", numeric=False), Column("x", "a|b")),
    ("m",),
    ((Cell("<script>*"), Cell("0.5 ± 0.1", 0.5, best=True)),),
    ("Costs $5 #1 {x}.",),
)


def test_markdown_escapes_and_aligns() -> None:
    lines = markdown_table(HOSTILE).splitlines()
    assert lines == [
        r"| Method      |          a\|b |",
        "|:------------|--------------:|",
        r"| \<script>\* | **0.5 ± 0.1** |",
    ]


def test_markdown_names_every_table(tables: dict[str, Table]) -> None:
    text = markdown(tables.values(), "GRUE")
    assert text.startswith("# GRUE\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [table.title for table in tables.values()]
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_best_of_n_has_its_cost_in_a_table_and_no_kl(suite_with: Callable[..., SuiteScores]) -> None:
    found = {table.key: table for table in tables_of(suite_with(methods=tuple(methods(["ppo"], BASELINES))))}
    assert found["cost/tokens"].row_keys == ("best_of_n",)
    assert cell(found["cost/tokens"], "best_of_n", "imdb").value == 128.0
    assert "best_of_n" in found["task"].row_keys
    kl = found["kl_per_token"]
    assert "best_of_n" not in kl.row_keys
    assert any("Best of n has none" in note for note in kl.notes)


def test_a_suite_without_it_says_nothing_of_it(tables: dict[str, Table]) -> None:
    assert "cost/tokens" not in tables
    assert not any("est of n" in note for table in tables.values() for note in table.notes)


def test_a_table_of_many_rows_is_several_pages_of_latex(tables: dict[str, Table]) -> None:
    one = tables[REWARD_GAIN]
    rows = (one.rows * PAGE_ROWS)[: 2 * PAGE_ROWS + 1]
    long = replace(one, rows=rows, row_keys=tuple(map(str, range(len(rows)))))
    text = latex([long])
    assert text.count(r"\begin{table*}") == 3
    assert text.count(r"\\") == len(rows) + 3, "every row once, under a head each"
    assert len(set(re.findall(r"\\label{(.*?)}", text))) == 3
    assert text.count("these two checkpoints") == 1
    assert latex([one]).count(r"\begin{table*}") == 1


def test_latex_is_escaped_and_balanced(tables: dict[str, Table]) -> None:
    text = latex([HOSTILE, *tables.values()])
    assert r"\caption{100\% of a\_b \& $<$b$>$. Costs \$5 \#1 \{x\}.}" in text
    assert r"\textbf{0.5 $\pm$ 0.1}" in text
    assert text.count(r"\begin{table*}") == text.count(r"\end{table*}") == 1 + len(tables)
    unescaped = re.sub(r"\\[{}]", "", text)
    assert unescaped.count("{") == unescaped.count("}")
    assert text.isascii()
    for body in re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.DOTALL):
        assert len({row.count(" & ") for row in body.strip().splitlines()}) == 1


def test_every_special_character_of_tex() -> None:
    assert tex_escape(r"\~^") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}"


def test_method_csv_is_wide_and_precise(tables: dict[str, Table], scores: SuiteScores) -> None:
    rows = list(csv.DictReader(io.StringIO(method_csv(tables.values(), scores.settings.methods))))
    assert [row["method"] for row in rows] == list(scores.settings.methods)
    average = task_average(scores, "ppo")
    assert float(rows[2]["task:average"]) == average.mean
    assert float(rows[2]["task:average:low"]) == average.low
    assert float(rows[2]["kl_per_token:imdb"]) == pytest.approx(0.0175)
    assert float(rows[3]["gains:iqm"]) > 0 and rows[0]["gains:iqm"] == ""
    assert not any(name.startswith(("reward_gain", "supervised_gain", "contrasts", "improvement")) for name in rows[0])


def test_significance_csv_has_bounds_and_p(scores: SuiteScores) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(suite_gains(scores), COLUMNS))))
    assert list(rows[0]) == COLUMNS
    assert len(rows) == 12 + 6
    first = rows[0]
    assert [first[name] for name in ("table", "task", "method", "start")] == [REWARD_GAIN, "imdb", "ppo", "zero_shot"]
    assert float(first["gain:low"]) < float(first["gain"]) < float(first["gain:high"])
    assert float(first["p"]) == 2 / 501


def test_a_name_cannot_break_a_table_or_be_markup() -> None:
    name = "a|b`c`<img src=x>[x](javascript:y)\n## new\x1b[31m"
    column = Column("m", name)
    table = Table(
        "k", name, (Column("method", "Method", numeric=False), column), ("a",), ((Cell(name), Cell("1")),), (name,)
    )
    said = markdown([table], name)
    assert not [line for line in said.splitlines() if line.startswith("## new")] and "\x1b" not in said
    assert said.count("\n## ") == 1  # the section
    assert re.search(r"(?<!\\)(`|<img|\[x|\|b)", said) is None
    assert "\x1b" not in latex([table])
