from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rl4lms.evaluation.report import N_SAMPLES, data_uri, report, slug, split_references
from rl4lms.evaluation.scores import SuiteScores
from rl4lms.evaluation.tables import grue_tables

VOID = {"meta", "input", "img", "br"}
HOSTILE = {"grue.yaml": {"note": "</pre><script>alert(1)</script>", "path": "a&b", "float": 1.0e-05}}


class Page(HTMLParser):
    """Checks that tags nest, and collects what a test asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] not in ("style", "script"):
            self.words.append(data)

    def count(self, tag: str, css: str = "") -> int:
        return sum(
            1 for name, a in self.attributes if name == tag and (not css or css in (a.get("class") or "").split())
        )


@pytest.fixture(scope="module")
def html(scores: SuiteScores) -> str:
    return report(scores, grue_tables(scores), {"summary": b"\x89PNG", "kl_reward": b"two"}, HOSTILE)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_equal_input_gives_equal_text(html: str, scores: SuiteScores) -> None:
    assert report(scores, grue_tables(scores), {"summary": b"\x89PNG", "kl_reward": b"two"}, HOSTILE) == html


def test_nothing_is_loaded_from_outside(html: str, page: Page) -> None:
    for _, attributes in page.attributes:
        assert (attributes.get("src") or "data:").startswith("data:image/png;base64,") or "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?:|@import|url\(|file:", html)
    policies = [a.get("content") or "" for _, a in page.attributes if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies[0].startswith("default-src 'none'")


def test_texts_are_escaped(html: str, page: Page) -> None:
    assert "<b>prompt</b>" not in html
    assert "&lt;b&gt;prompt&lt;/b&gt; imdb" in html
    assert "alert(1)</script>" not in html
    assert page.count("script") == 1
    assert any("</pre><script>alert(1)</script>" in word for word in page.words)


def test_every_table_and_task_is_there(page: Page, scores: SuiteScores) -> None:
    n_tables = len(grue_tables(scores))
    assert page.count("table", "sortable") == n_tables + len(scores.settings.tasks)
    ids = [a["id"] for _, a in page.attributes if a.get("id")]
    assert len(ids) == len(set(ids))
    targets = [a["href"] for tag, a in page.attributes if tag == "a"]
    assert {str(target)[1:] for target in targets} <= set(ids)
    assert {f"task-{slug(task)}" for task in scores.settings.tasks} <= set(ids)


def test_samples_show_every_method_side_by_side(page: Page, scores: SuiteScores) -> None:
    settings = scores.settings
    assert page.count("article", "sample") == N_SAMPLES * len(settings.tasks)
    shown = [a["data-method"] for _, a in page.attributes if "data-method" in a]
    assert shown == list(settings.methods) * (N_SAMPLES * len(settings.tasks))
    ids = [word for word in page.words if re.fullmatch(r"test_\d+", word)]
    assert len(set(ids[:N_SAMPLES])) == N_SAMPLES
    assert ids[:N_SAMPLES] == sorted(ids[:N_SAMPLES], key=lambda name: int(name[5:]))
    i = ids[0][5:]
    for method in settings.methods:
        assert f"{method} & seed 0 text {i}" in page.words


def test_images_are_inside(page: Page) -> None:
    sources = [str(a["src"]) for tag, a in page.attributes if tag == "img"]
    assert [base64.b64decode(source.split(",")[1]) for source in sources] == [b"\x89PNG", b"two"]
    assert all(a.get("alt") for tag, a in page.attributes if tag == "img")
    assert data_uri(b"two") == sources[1]


def test_cells_carry_what_they_sort_by(html: str, scores: SuiteScores) -> None:
    task = grue_tables(scores)[0]
    assert f'data-value="{task.rows[2][1].value}"' in html


def test_references_are_split_as_published() -> None:
    assert split_references("<START-1>a\nb<END-1><START-2><END-1><END-2>") == ["a\nb", "<END-1>"]
    assert split_references("") == []


def test_light_and_dark(html: str) -> None:
    assert "prefers-color-scheme: dark" in html


def test_templates_are_found_beside_the_module() -> None:
    import rl4lms.evaluation.report as module

    names = {path.name for path in (Path(module.__file__).parent / "templates").iterdir()}
    assert names == {"report.html.j2", "report.css", "report.js"}
