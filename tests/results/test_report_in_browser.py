"""The report as people use it: in headless Chromium, from a file, without a network (`make test-system`).

Needs Debian's `chromium` (or $CHROMIUM) and `pip install playwright`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rl4lms.results.scores import SuiteScores

from .conftest import full_settings, write_json, write_suite
from .test_report import report_of

pytestmark = pytest.mark.system

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HOSTILE = "</script><img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a suite of full size, whose texts are hostile."""
    directory = tmp_path_factory.mktemp("report")
    settings = full_settings()
    runs = write_suite(directory / "runs", settings)
    for file in runs.glob("imdb/*/seed0/test_predictions.json"):
        rows = json.loads(file.read_text())
        for row in rows:
            row |= {key: f"{HOSTILE}{row[key]}" for key in ("sample_id", "prompt_text", "generated_text")}
            row["ref_text"] = f"<START-1>{HOSTILE}{row['ref_text'][9:]}"
        write_json(file, rows)
    scores = SuiteScores.read(runs, settings)
    (directory / "report.html").write_text(report_of(scores), encoding="utf-8")
    return directory / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium, or set CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root, as whom containers run.
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] * (os.geteuid() == 0))
        yield chromium
        chromium.close()


@pytest.fixture(params=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Any, path: Path) -> Iterator[Any]:
    """The open report. Fails on anything that the console says and on any request but that of the file itself."""
    size = PHONE if request.param == "phone" else {"width": 1280, "height": 900}
    context = browser.new_context(viewport=size, color_scheme="dark" if request.param == "phone" else "light")
    opened = context.new_page()
    complaints: list[str] = []
    requests: list[str] = []
    opened.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda sent: requests.append(sent.url.partition("#")[0]))
    opened.goto(path.as_uri())
    yield opened
    context.close()
    assert complaints == []
    assert set(requests) == {path.as_uri()}


def column(page: Any, index: int) -> list[str]:
    cells: list[str] = page.eval_on_selector_all(
        "#table-task tbody tr", f"rows => rows.map(row => row.cells[{index}].dataset.value)"
    )
    return cells


def assert_page(page: Any, name: str) -> None:
    """The page is shown, as soon as the browser has said that the address changed, and no other is."""
    page.locator(f"#{name}").wait_for(state="visible")
    assert page.eval_on_selector_all(".page:not([hidden])", "pages => pages.map(each => each.id)") == [name]


def go(page: Any, name: str) -> None:
    link = page.get_by_role("navigation").get_by_role("link", name=name, exact=True)
    link.click()
    assert_page(page, link.get_attribute("href")[1:])


def test_tables_sort_by_every_column_and_say_so(page: Any) -> None:
    heads = page.locator("#table-task thead th")
    assert heads.count() == 9
    for index in range(9):
        heads.nth(index).get_by_role("button").click()
        first = heads.nth(index).get_attribute("aria-sort")
        assert first == ("ascending" if index == 0 else "descending")
        one = column(page, index)
        keyed = one if index == 0 else [float(value) for value in one]
        assert keyed == sorted(keyed, reverse=index > 0)
        heads.nth(index).get_by_role("button").press("Enter")
        assert column(page, index) == one[::-1]
        others = [heads.nth(i).get_attribute("aria-sort") for i in range(9) if i != index]
        assert others == ["none"] * 8


def test_pages_switch_by_link_and_by_the_browsers_back(page: Any) -> None:
    assert_page(page, "results")
    go(page, "ToTTo")
    assert_page(page, "task-totto")
    assert page.title() == "ToTTo · GRUE: suite full"
    assert page.evaluate("document.activeElement.textContent") == "ToTTo"
    page.get_by_role("link", name="Samples of ToTTo").click()
    assert_page(page, "samples")
    assert page.get_by_role("combobox", name="Task", exact=True).input_value() == "totto"
    page.go_back()
    assert_page(page, "task-totto")
    page.get_by_role("link", name="Configurations of its runs").click()
    assert_page(page, "configuration")
    page.go_back()
    page.go_back()
    assert_page(page, "results")
    page.go_forward()
    assert_page(page, "task-totto")
    assert page.locator("nav a[aria-current=page]").all_inner_texts() == ["ToTTo"]


@pytest.mark.parametrize("fragment", ["#nowhere", "#%zz", "#samples?task=nowhere&order=x&find=%zz", "#list", "#a?b?c"])
def test_a_strange_address_shows_a_page(page: Any, fragment: str) -> None:
    page.evaluate("fragment => { location.hash = fragment; }", fragment)
    page.wait_for_timeout(50)
    assert_page(page, "samples" if fragment.startswith(("#samples", "#list")) else "results")


def test_samples_are_searched_in_full_text(page: Any) -> None:
    go(page, "Samples")
    found = page.get_by_role("status")
    assert found.inner_text() == "280 of 280 samples match, 10 shown; the test splits have 280."
    page.get_by_role("searchbox").fill("TEXT 23 reference")
    assert found.inner_text().startswith("7 of 280")
    assert page.locator("article").count() == 7
    assert {text.lower() for text in page.locator("mark").all_inner_texts()} == {"text", "23", "reference"}
    page.get_by_role("searchbox").fill("nothing has this")
    assert found.inner_text().startswith("0 of 280")
    assert page.locator("article").count() == 0
    page.get_by_role("searchbox").fill(".*(")
    assert found.inner_text().startswith("0 of 280")


def test_samples_are_filtered_by_task_and_method(page: Any) -> None:
    go(page, "Samples")
    page.get_by_role("combobox", name="Task", exact=True).select_option(label="DailyDialog")
    assert page.get_by_role("status").inner_text().startswith("40 of 280")
    assert all(text.startswith("DailyDialog · ") for text in page.locator("article h3").all_inner_texts())
    for label in ("Zero-shot", "Supervised", "NLPO", "Supervised + PPO", "Supervised + NLPO"):
        page.get_by_label(label, exact=True).uncheck()
    assert page.locator("article [data-method]").count() == 10
    assert page.locator("article").first.locator("[data-method]").all_inner_texts()[0].startswith("PPO\n")
    page.get_by_role("searchbox").fill("nlpo")  # said by none of what is switched on
    assert page.locator("article").count() == 0
    page.reload()
    assert page.get_by_role("combobox", name="Task", exact=True).input_value() == "daily_dialog"
    assert page.get_by_role("searchbox").input_value() == "nlpo"
    assert not page.get_by_label("NLPO", exact=True).is_checked()


def test_samples_are_ordered_by_reward_and_shown_in_portions(page: Any) -> None:
    go(page, "Samples")
    page.get_by_role("combobox", name="Order", exact=True).select_option("low:ppo")
    for _ in range(27):
        page.get_by_role("button", name="Show more").click()
    assert not page.get_by_role("button", name="Show more").is_visible()
    scores = page.locator("[data-method=ppo] .scores").all_inner_texts()
    rewards = [float(text.rpartition(" ")[2]) for text in scores]
    assert len(rewards) == 280
    assert rewards == sorted(rewards)


def test_texts_are_shown_as_they_are(page: Any) -> None:
    go(page, "Samples")
    first = page.locator("article").first
    assert first.locator(".text").first.inner_text().startswith(f"{HOSTILE}<b>prompt</b> imdb")
    assert first.locator("h3").inner_text() == f"IMDB · {HOSTILE}test_0"
    page.get_by_role("searchbox").fill("<img src=x")
    assert page.locator("article").count() == 10
    assert page.locator("main :is(img, script, b)").count() == 0
    assert page.evaluate("window.hacked") is None


def test_no_page_scrolls_sideways(page: Any) -> None:
    for link in page.locator("nav a").all():
        go(page, link.inner_text())
        for each in page.locator(".page:not([hidden]) summary").all()[:4]:
            each.click()
        width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert width[0] <= width[1], link.inner_text()


def test_the_keyboard_reaches_everything(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "head-results"
    assert page.evaluate("location.hash") == ""
    page.keyboard.press("Tab")  # the table's region, which the arrows scroll
    assert page.evaluate("document.activeElement.getAttribute('role')") == "region"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Space")
    assert page.locator("#table-task thead th").first.get_attribute("aria-sort") == "ascending"


def test_screen_readers_get_names_for_everything(page: Any) -> None:
    for link in page.locator("nav a").all():
        go(page, link.inner_text())
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll("main :is(button, input, select, a, [role], summary)")]
                .filter((each) => each.checkVisibility())
                .filter((each) => !(each.ariaLabel || each.textContent.trim() || each.labels?.length
                    || each.getAttribute("role") === "status"))
                .map((each) => each.outerHTML)"""
        )
        assert unnamed == []
    levels = page.eval_on_selector_all("h1, h2, h3, h4", "all => all.map(each => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_without_scripts_the_tables_and_charts_are_there(browser: Any, path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("section.page:visible").count() == 10
    assert page.locator("noscript").inner_text().startswith("Samples are shown by a script")
    context.close()
