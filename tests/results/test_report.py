from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rl4lms.config.compose import BASELINES, methods
from rl4lms.config.labels import FAMILIES
from rl4lms.results import report_samples
from rl4lms.results.gains import REWARD_GAIN, suite_gains
from rl4lms.results.normalised_gains import SuiteStatistics
from rl4lms.results.palette import styles
from rl4lms.results.report import changes, report, slug
from rl4lms.results.report_samples import samples_json, split_references
from rl4lms.results.scores import SuiteScores
from rl4lms.results.suite import SHOWN_SEEDS

from .conftest import FULL, full_settings, tables_of, write_json, write_suite

VOID = {"meta", "input", "img", "br", "link"}
HOSTILE = "</pre><script>alert(1)</script>"
CONFIG = {"alg": {"id": "ppo", "args": {"note": HOSTILE, "learning_rate": 1.0e-05}}, "seed": 0}


class Page(HTMLParser):
    """Checks that tags nest, and collects what a test asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.data = ""
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] == "script" and self.attributes[-1][1].get("id") == "data":
            self.data += data
        elif self.stack and self.stack[-1] not in ("style", "script"):
            self.words.append(data)

    def count(self, tag: str, css: str = "") -> int:
        return sum(
            1 for name, a in self.attributes if name == tag and (not css or css in (a.get("class") or "").split())
        )


def report_of(scores: SuiteScores) -> str:
    configs = {key: {**CONFIG, "seed": key[2]} for key in scores.settings.runs if key[1] != "zero_shot"}
    return report(
        scores,
        SuiteStatistics.of(scores.frame, scores.settings),
        tables_of(scores),
        {"grue.yaml": {"note": HOSTILE, "path": "a&b"}},
        configs,
    )


@pytest.fixture(scope="module")
def html(scores: SuiteScores) -> str:
    return report_of(scores)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def data(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.data)
    return found


def test_equal_input_gives_equal_text(html: str, scores: SuiteScores) -> None:
    assert report_of(scores) == html


def test_nothing_is_loaded_from_outside(html: str, page: Page) -> None:
    for tag, attributes in page.attributes:
        assert "src" not in attributes
        target = attributes.get("href") or "#"
        assert target.startswith("#") or (tag, target) == ("link", "data:,")
    assert not re.search(r"https?:|@import|url\((?!#)|file:", html)
    policies = [a.get("content") or "" for _, a in page.attributes if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies[0].startswith("default-src 'none'")


def test_texts_are_escaped(html: str, page: Page, data: dict[str, Any]) -> None:
    assert "<b>prompt</b>" not in html
    assert data["tasks"][0]["samples"][0]["prompt"].startswith("<b>prompt</b> imdb")
    assert "alert(1)</script>" not in html
    assert page.count("script") == 2
    assert any(HOSTILE in word for word in page.words)


def test_no_text_ends_the_element_of_the_samples(own_runs: Path, scores: SuiteScores) -> None:
    path = own_runs / "imdb" / "ppo" / "seed0" / "test_predictions.json"
    rows = json.loads(path.read_text())
    hostile = "</script><!--<script>&lt;\u2028]]>\x00\"'\\"
    for row in rows:
        row["generated_text"] = hostile
    write_json(path, rows)
    damaged = SuiteScores.read(own_runs, scores.settings)
    text = samples_json(damaged)
    assert not {"<", ">", "&"} & set(text)
    shown = json.loads(text)["tasks"][0]["samples"]
    assert {sample["texts"][2] for sample in shown} == {hostile}
    page = Page(report_of(damaged))
    assert json.loads(page.data) == json.loads(text)


def test_every_table_and_page_is_there(page: Page, scores: SuiteScores) -> None:
    n_tables, n_tasks = len(tables_of(scores)), len(scores.settings.tasks)
    assert page.count("table", "sortable") == n_tables + 2 * n_tasks  # a task's curves and metrics
    assert page.count("section", "page") == n_tasks + 3
    ids = [a["id"] for _, a in page.attributes if a.get("id")]
    assert len(ids) == len(set(ids))
    targets = {str(a["href"])[1:].partition("?")[0] for tag, a in page.attributes if tag == "a"}
    assert targets <= set(ids)
    assert {f"task-{slug(task)}" for task in scores.settings.tasks} <= targets


def test_samples_hold_every_method(data: dict[str, Any], scores: SuiteScores) -> None:
    settings = scores.settings
    assert [method["id"] for method in data["methods"]] == list(settings.methods)
    assert [task["id"] for task in data["tasks"]] == list(settings.tasks)
    for task in data["tasks"]:
        assert (len(task["samples"]), task["total"]) == (40, 40)
        numbers = [int(sample["id"].removeprefix("test_")) for sample in task["samples"]]
        assert numbers == sorted(numbers)
        for number, sample in zip(numbers, task["samples"], strict=True):
            assert sample["texts"] == [f"{method} & seed 0 text {number}" for method in settings.methods]
            assert sample["references"] == [f"reference {number}"]
            assert [len(scored) for scored in sample["scores"]] == [len(task["metrics"])] * len(settings.methods)


def test_samples_keep_within_their_bounds(scores: SuiteScores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_samples, "MAX_SAMPLES", 7)
    few = json.loads(samples_json(scores))["tasks"][0]["samples"]
    assert len(few) == 7
    monkeypatch.setattr(report_samples, "MAX_BYTES", 1200)
    fewer = json.loads(samples_json(scores))["tasks"][0]["samples"]
    assert 1 <= len(fewer) < 7
    assert {sample["id"] for sample in fewer} < {sample["id"] for sample in few}
    monkeypatch.setattr(report_samples, "MAX_BYTES", 1)
    assert [len(task["samples"]) for task in json.loads(samples_json(scores))["tasks"]] == [1, 1, 1]


def test_charts_draw_every_method_and_say_what_they_are(html: str, page: Page, scores: SuiteScores) -> None:
    charts = [a for tag, a in page.attributes if tag == "svg" and a.get("class") == "chart"]
    assert len(charts) == 5 + 5 * len(scores.settings.tasks)
    assert all(a.get("role") == "img" and a.get("aria-label") for a in charts)
    for slot in range(len(scores.settings.methods)):
        assert f"var(--m{slot})" in html
        assert html.count(f"--m{slot}:#") == 3  # light, dark, print
    titles = re.findall(
        r"<figure>\n<h3>(.*?)</h3>", html[html.index('id="task-imdb"') : html.index('id="task-common-gen"')]
    )
    assert [title for title in titles if "by sampled tokens" in title] == [
        "Reward of the rollouts ↑ by sampled tokens", "Sentiment score on the validation split ↑ by sampled tokens",
    ]  # fmt: skip
    assert "NaN" not in html.partition('id="data"')[0]


def test_configurations_are_shown_once_and_seeds_by_difference(page: Page, scores: SuiteScores) -> None:
    n_runs = len(scores.settings.tasks) * (len(scores.settings.methods) - 1)
    text = "".join(page.words)
    assert text.count("learning_rate: 1.0e-05") == n_runs
    assert page.words.count("Seed 1: the same but for") == n_runs
    assert page.words.count("seed: 1") == n_runs


def test_changes_between_configurations() -> None:
    one = {"a": {"b": 1, "c": [1, 2]}, "gone": {}, "same": None}
    other = {"a": {"b": "x", "c": [1, 3, 4]}, "same": None}
    assert changes(one, other) == ["a.b: x", "a.c: [1, 3, 4]", "gone: absent"]
    assert changes(one, one) == []


def test_cells_carry_what_they_sort_by(html: str, page: Page, scores: SuiteScores) -> None:
    task = tables_of(scores)[0]
    assert f'data-value="{task.rows[2][1].value}"' in html
    heads = [a for tag, a in page.attributes if tag == "th" and a.get("scope") == "col"]
    assert heads and all(a["aria-sort"] == "none" for a in heads)


def test_every_region_and_field_has_a_name(html: str, page: Page) -> None:
    tags = [tag for tag, _ in page.attributes]
    assert {"header", "nav", "main", "footer", "h1"} <= set(tags)
    assert tags.count("table") == tags.count("caption")
    assert all(a.get("aria-label") for _, a in page.attributes if a.get("role") == "region")
    assert all(a.get("aria-labelledby") for tag, a in page.attributes if tag == "section")
    assert re.findall(r"<a [^>]*>", html)[0] == '<a class="skip" href="#main">'
    assert '<html lang="en">' in html


def test_references_are_split_as_published() -> None:
    assert split_references("<START-1>a\nb<END-1><START-2><END-1><END-2>") == ["a\nb", "<END-1>"]
    assert split_references("") == []


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2: (lighter + 0.05) / (darker + 0.05)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough_in_light_and_dark(html: str, scheme: str) -> None:
    """AA: 4.5 to 1 for text, 3 to 1 for what is drawn."""
    style = html.partition("<style>")[2].partition("</style>")[0]
    blocks = re.findall(r"(@media[^{]*\{)?\s*:root\s*\{([^}]*)\}", style)
    colours: dict[str, str] = {}
    for media, block in blocks:
        if not media or (scheme == "dark" and "dark" in media):
            colours |= dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", block))
    for ink in ("ink", "quiet", "accent"):
        for ground in ("page", "card", "best"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    assert contrast(colours["ink"], colours["mark"]) >= 4.5
    for drawn in ("edge", *(name for name in colours if re.fullmatch(r"m\d+", name))):
        assert contrast(colours[drawn], colours["page"]) >= 3, drawn


def test_a_suite_of_full_size_stays_a_page(tmp_path: Path) -> None:
    settings = full_settings()
    html = report_of(SuiteScores.read(write_suite(tmp_path, settings), settings))
    page = Page(html)
    assert page.count("section", "page") == len(FULL) + 3
    assert len(html.encode()) < 2_000_000


def test_every_colour_has_contrast_with_its_page() -> None:
    every = methods([name for family in FAMILIES.values() for name in family], BASELINES)
    for style in styles(every).values():
        assert contrast(style.colour, "#ffffff") >= 3 and contrast(style.dark, "#15181c") >= 3


@pytest.mark.slow
def test_a_report_of_all_algorithms_parts_them_by_family(suite_with: Callable[..., SuiteScores]) -> None:
    every = methods([name for family in FAMILIES.values() for name in family], BASELINES)
    text = report_of(suite_with(methods=tuple(every), n_resamples=20))
    results = text[text.index('id="results"') : text.index('id="task-imdb"')]
    assert results.index('id="table-task"') < results.index("<details>"), "the main table is not folded"
    task = text[text.index('id="task-imdb"') : text.index('id="task-common-gen"')]
    assert re.findall(r'<li class="name" aria-hidden="true">(.*?)</li>', task) == ["Without RL", *FAMILIES]
    assert task.count('<svg class="swatch') == len(every)
    titles = re.findall(r"<figure>\n<h3>(.*?)</h3>", task)
    assert [title.rpartition(", ")[2] for title in titles] == 5 * [family.lower() for family in FAMILIES]


def test_a_suite_of_one_seed_and_one_task(suite_with: Callable[..., SuiteScores]) -> None:
    small = suite_with(tasks=("imdb",), seeds=(0,), main_metrics={"imdb": "semantic/learned_automodel_metric"})
    text = report_of(small)
    assert "1 task, 4 methods, 1 seed; scores on the test split." in text
    assert Page(text).count("svg", "chart") == 10


def test_of_many_seeds_some_are_drawn_and_all_count(suite_with: Callable[..., SuiteScores]) -> None:
    many = suite_with(
        tasks=("imdb",), seeds=tuple(range(12)), main_metrics={"imdb": "semantic/learned_automodel_metric"}
    )
    text = report_of(many)
    for seed in (9, 10, 11):
        is_drawn = seed < SHOWN_SEEDS
        assert (f"PPO, seed {seed}<" in text) == is_drawn, "a thin line of the learning curves"
        assert (f"PPO, rollouts of seed {seed}<" in text) == is_drawn
        assert (f"PPO, test split, seed {seed}:" in text) == is_drawn
        assert (f"<h4>Seed {seed}: the same but for" in text) == is_drawn
    assert "Thin: each of the first 10 of 12 seeds." in text
    by_gain = {table.key: table for table in tables_of(many)}
    assert len(by_gain[REWARD_GAIN].rows) == 2 * SHOWN_SEEDS
    assert by_gain[REWARD_GAIN].notes[-1] == "Here, each of the first 10 of 12 seeds; all are in significance.csv."
    assert len(suite_gains(many)) == 3 * 12
    assert "Mean over 12 seeds" in by_gain["task"].notes[0]


def test_templates_are_found_beside_the_module() -> None:
    import rl4lms.results.report as module

    names = {path.name for path in (Path(module.__file__).parent / "templates").iterdir()}
    assert names == {"report.html.j2", "report.css", "report.js"}
