"""The pages: blind, self-contained, escaped, usable without a mouse, on a phone and in the dark."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.tables import TASKS as TABLE
from rl4lms.crowd.pages import render_pages, write_study
from rl4lms.crowd.study import KINDS, Study, make_study
from rl4lms.tasks.task import task_of

from .conftest import HOSTILE, METHODS, predictions, prompts, row

TASKS = TABLE.ids()
VOID = {"meta", "input"}


class Page(HTMLParser):
    """Checks that tags nest, and collects attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] not in ("style", "script"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def study_of(task: str, kind: str, **changes: Any) -> Study:
    return make_study(kind, task, predictions(task), **({"n_samples": 4, "per_page": 6, "seed": 0} | changes))


def hostile(kind: str, task: str = "daily_dialog") -> Study:
    rows = {m: [row(0, HOSTILE, f"{HOSTILE} {m[0]}")] for m in ("ppo", "nlpo")}
    return make_study(kind, task, rows, n_samples=None, per_page=5, seed=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", TASKS)
def test_a_page_asks_every_question_of_its_items_and_names_no_method(task: str, kind: str) -> None:
    study = study_of(task, kind)
    pages = render_pages(study)
    assert list(pages) == ["page_01.html", "page_02.html"]
    asked = []
    for text in pages.values():
        page = Page(text)
        radios = [a for a in page.all("input") if a["type"] == "radio"]
        asked += [(a["name"], a["value"]) for a in radios]
        visible = re.sub(r"\w+ wrote \d+", "", text)
        assert not any(name in visible for name in (*METHODS, "test_"))
        ids = [a["id"] for _, a in page.tags if "id" in a]
        assert len(ids) == len(set(ids))
    expected = [
        (f"{item.id}.{name}", value)
        for item in study.items
        for name, values in study.questions.items()
        for value in values
    ]
    assert asked == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", TASKS)
def test_a_page_loads_nothing(task: str, kind: str) -> None:
    for text in render_pages(study_of(task, kind)).values():
        page = Page(text)
        assert not any({"src", "srcset", "action"} & a.keys() and tag != "form" for tag, a in page.tags)
        assert all((a.get("href") or "#").startswith("#") for _, a in page.tags)
        assert page.all("form")[0]["action"] == ""
        assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", text)
        (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
        assert str(policy).startswith("default-src 'none';")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", TASKS)
def test_texts_of_models_and_data_are_escaped(task: str, kind: str) -> None:
    (text,) = render_pages(hostile(kind, task)).values()
    page = Page(text)
    assert len(page.all("script")) == 1 and len(page.all("textarea")) == 1
    assert "alert('x')" not in text and "<b>" not in text
    generated = {f"{HOSTILE} {m}" for m in "pn"}
    assert generated <= set(page.texts)  # whole, with its line break, as one text
    assert html.escape("</textarea></blockquote>\n{{ 7 * 7 }}", quote=False) in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_can_be_used_by_keyboard_and_screen_reader(kind: str) -> None:
    for text in render_pages(study_of("totto", kind)).values():
        page = Page(text)
        assert page.all("html")[0]["lang"] == "en"
        assert page.all("meta")[2]["content"] == "width=device-width, initial-scale=1"
        assert len(page.all("fieldset")) == len(page.all("legend"))
        labels = {a.get("for") for a in page.all("label")}
        for tag in ("input", "textarea"):
            for a in page.all(tag):
                inside = a.get("type") in ("radio", "hidden")
                assert inside or a["id"] in labels
        assert len([a for a in page.all("label") if "for" not in a]) == len(
            [a for a in page.all("input") if a["type"] == "radio"]
        )
        targets = {a["id"] for _, a in page.tags if "id" in a}
        assert {str(a["aria-labelledby"]) for _, a in page.tags if "aria-labelledby" in a} <= targets
        assert any(a.get("role") == "status" for a in page.all("p"))
        assert "prefers-color-scheme: dark" in text and "min-height: 44px" in text


def test_german_is_marked_as_such() -> None:
    (text, *_) = render_pages(study_of("iwslt2017", "likert")).values()
    assert {a.get("lang") for a in Page(text).all("blockquote")} == {"de"}


def test_prompts_are_shown_without_their_marks() -> None:
    for task in TASKS:
        (text, *_) = render_pages(study_of(task, "likert")).values()
        shown = "\n".join(Page(text).texts)
        assert not re.search(
            r"<EOU>|<page_title>|<cell>|Summarize:|translate English|generate a sentence|\\n", shown
        ), task


@pytest.mark.parametrize(
    ("task", "key"),
    [("common_gen", "words"), ("totto", "cells"), ("narrative_qa", "question"), ("daily_dialog", "turns")],
)
def test_every_generated_prompt_is_taken_apart_with_nothing_lost(task: str, key: str) -> None:
    for prompt in prompts(task):
        source = task_of(task).view(prompt)
        assert source[key]
        words = set(re.findall(r"\w+", re.sub(r"<[^>]+>|^generate a sentence with:", " ", prompt.replace("\\n", " "))))
        kept = set(re.findall(r"\w+", json.dumps({k: v for k, v in source.items() if k != "text"}, ensure_ascii=False)))
        assert words <= kept


def test_totto_shows_the_highlighted_cells_of_a_full_table_with_their_headings() -> None:
    prompt = (
        "<page_title> Ann </page_title> <section_title> Film </section_title> <table> <row> <cell> Year </cell> </row> "
        "<row> <highlighted_cell> 1999 <col_header> Year </col_header> <row_header> A <b> </row_header> "
        "</highlighted_cell> <cell> 2 </cell> </row> </table>"
    )
    source = task_of("totto").view(prompt)
    assert (source["page"], source["section"]) == ("Ann", "Film")
    assert source["cells"] == [{"value": "1999", "headers": ["Year", "A <b>"], "highlighted": True}]
    assert task_of("totto").view("no table at all") == {}


def test_a_generation_is_shown_without_its_end_mark() -> None:
    assert task_of("daily_dialog").output(" Yes .<EOU>").strip() == "Yes ."
    (text,) = render_pages(
        make_study("likert", "imdb", {"a": [row(0, "p", " \n")]}, n_samples=None, per_page=1, seed=0)
    ).values()
    assert "(no text)" in text


def test_written_pages_are_equal_for_equal_input_and_another_studys_key_is_kept(tmp_path: Path) -> None:
    study = study_of("imdb", "likert")
    pages = write_study(study, tmp_path)
    assert [str(p.relative_to(tmp_path)) for p in pages] == ["pages/page_01.html", "pages/page_02.html"]
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    write_study(study, tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    with pytest.raises(DataError, match="key.json: the key of another study; write to another directory"):
        write_study(study_of("imdb", "likert", seed=1), tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    assert "ppo" in (tmp_path / "key.json").read_text()
    (tmp_path / "key.json").write_text("[]")
    with pytest.raises(DataError, match="key.json: not the key of a study"):
        write_study(study, tmp_path)


def test_a_form_may_be_posted_where_the_user_says_and_to_mechanical_turk() -> None:
    (text, *_) = render_pages(study_of("imdb", "likert"), "https://study.example.org/in?x=1").values()
    page = Page(text)
    assert page.all("form")[0]["action"] == "https://study.example.org/in?x=1"
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy).endswith(
        "form-action https://www.mturk.com https://workersandbox.mturk.com https://study.example.org"
    )
    for bad in ("javascript:alert(1)", "https://", "https://a.org; script-src *", "/here"):
        with pytest.raises(ConfigError, match="--submit-to .*: expected the http"):
            render_pages(study_of("imdb", "likert"), bad)
