"""The pages in a real browser: answering, coming back, handing in. Chromium alone, driven by a script in the page."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.tables import TASKS
from rl4lms.crowd.annotations import answers_of, read_handed_in
from rl4lms.crowd.pages import render_pages
from rl4lms.crowd.study import KINDS, Study, make_study

from .conftest import HOSTILE, predictions, row

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [pytest.mark.system, pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")]

DRIVER = Path(__file__).with_name("driver.js").read_text(encoding="utf-8")


def visit(folder: Path, page: str, act: str, query: str = "", width: int = 800) -> dict[str, Any]:
    """What happened on a page: files saved, errors, what was submitted."""
    path = folder / "page.html"
    script = f"<script>{DRIVER.replace('{ ACT }', '{' + act + '}')}</script>"
    path.write_text(page.replace("</body>", f"{script}</body>"), encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += [f"--window-size={width},900", "--virtual-time-budget=4000", "--dump-dom", f"{path.as_uri()}{query}"]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    match = re.search(r'<pre id="seen">(.*?)</pre>', dom, re.DOTALL)
    assert match, dom[-2000:]
    seen: dict[str, Any] = json.loads(html.unescape(match[1]))
    return seen


@pytest.fixture(scope="module")
def study() -> Study:
    rows = {m: [row(i, f"prompt {HOSTILE}", f"{HOSTILE} {m} {i}") for i in range(2)] for m in ("a", "b")}
    return make_study("likert", "imdb", rows, n_samples=None, per_page=10, seed=0)


@pytest.fixture(scope="module")
def page(study: Study) -> str:
    return render_pages(study)["page_01.html"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_pages_of_every_task_open_without_an_error(kind: str, tmp_path: Path) -> None:
    for task in TASKS.ids():
        study = make_study(kind, task, predictions(task), n_samples=3, per_page=20, seed=0)
        (text,) = render_pages(study).values()
        seen = visit(tmp_path, text, "seen.asked = names.length; seen.said = said();")
        n = len(study.items) * len(study.questions)
        assert (seen["errors"], seen["asked"], seen["said"]) == ([], n, f"0 of {n} answered"), task


def test_a_worker_answers_and_saves_what_import_reads(study: Study, page: str, tmp_path: Path) -> None:
    act = """
      const [save, table] = document.querySelectorAll("[data-download]");
      save.click();
      seen.open = document.querySelectorAll(".item.open").length;
      seen.first = said();
      names.forEach((name, i) => choose(name, String(i % 5 + 1)));
      save.click();
      seen.unnamed = Object.keys(seen.files).length;
      asked.elements.worker.value = ' An"n, =1 ';
      asked.elements.comment.value = 'odd "comment"\\nhere';
      save.click(); table.click();
      seen.last = said();
    """
    seen = visit(tmp_path, page, act)
    assert seen["errors"] == []
    assert (seen["open"], seen["first"], seen["unnamed"]) == (4, "8 of 8 still to answer.", 0)
    assert seen["last"].startswith("Saved answers_")
    assert len(seen["files"]) == 2
    for name, text in seen["files"].items():
        saved = tmp_path / name
        saved.write_text(text)
        answers = answers_of(read_handed_in([saved], study), study)
        assert len(answers) == 8 and {a.worker for a in answers} == {'An"n, =1'}
    record = json.loads(next(t for n, t in seen["files"].items() if n.endswith(".json")))
    assert record["comment"] == 'odd "comment"\nhere'


def test_answers_are_there_after_a_reload(page: str, tmp_path: Path) -> None:
    visit(tmp_path, page, 'choose(names[0], "4"); choose(names[5], "1");')
    seen = visit(tmp_path, page, "seen.said = said(); seen.checked = asked.querySelectorAll(':checked').length;")
    assert (seen["errors"], seen["said"], seen["checked"]) == ([], "2 of 8 answered", 2)


def test_mechanical_turk_gets_plain_fields_and_a_preview_cannot_be_answered(
    study: Study, page: str, tmp_path: Path
) -> None:
    answer = 'names.forEach((name) => choose(name, "3")); document.querySelector("[type=submit]").click();'
    turk = "turkSubmitTo=https%3A%2F%2Fworkersandbox.mturk.com&workerId=W7"
    submitted = visit(tmp_path, page, answer, f"?assignmentId=A1&{turk}")["submitted"]
    assert submitted["action"] == "https://workersandbox.mturk.com/mturk/externalSubmit"
    fields = submitted["fields"]
    assert (fields["assignmentId"], fields["study"]) == ("A1", study.digest)
    assert {k: v for k, v in fields.items() if "." in k} == {
        f"{i.id}.{q}": "3" for i in study.items for q in study.questions
    }
    look = "seen.said = said(); seen.off = radios[0].matches(':disabled');"
    preview = visit(tmp_path, page, look, f"?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&{turk}")
    assert (preview["off"], preview["said"]) == (True, "This is a preview. Accept the task to answer.")


def test_an_address_cannot_send_the_answers_elsewhere(page: str, tmp_path: Path) -> None:
    act = "seen.action = asked.getAttribute('action'); seen.standalone = document.getElementById('standalone').hidden;"
    for service in ("https://evil.example", "https://www.mturk.com.evil.example", "javascript:alert(1)", "not a url"):
        seen = visit(tmp_path, page, act, f"?assignmentId=A1&turkSubmitTo={service}")
        assert (seen["errors"], seen["action"], seen["standalone"]) == ([], "", False), service


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_wider_than_a_phone(kind: str, tmp_path: Path) -> None:
    rows = {m: [row(0, "word " * 300, "x" * 400 + m)] for m in ("a", "b")}
    study = make_study(kind, "narrative_qa", rows, n_samples=None, per_page=10, seed=0)
    frame = "<!doctype html><body><iframe id=f width=320 height=600></iframe></body>"
    inner = render_pages(study)["page_01.html"]
    act = """
      const frame = document.getElementById("f"); frame.srcdoc = INNER;
      await new Promise((resolve) => frame.addEventListener("load", resolve));
      seen.widths = [frame.contentDocument.documentElement.scrollWidth, frame.contentWindow.innerWidth];
    """.replace("INNER", json.dumps(inner).replace("</", "<\\/"))
    seen = visit(tmp_path, frame.replace("<body>", "<body><form></form><p id=status></p>"), act)
    assert seen["widths"][0] <= seen["widths"][1] == 320
