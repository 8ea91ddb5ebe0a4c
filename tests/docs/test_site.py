"""The documentation's site: it builds without a warning, and a page of it loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .commands import ROOT

LOADS = re.compile(r"""<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=["']?(?:https?:)?//[^"'> ]*""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="pip install -c constraints.txt -e '.[docs]'")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.slow
def test_every_page_is_built_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) >= 25
    for page in pages:
        loads = [found for found in LOADS.findall(page.read_text()) if "rel=canonical" not in found]
        assert not loads, (page, loads)
    assert not any(re.search(r"url\((?:https?:)?//|@import", css.read_text()) for css in site.rglob("*.css"))


@pytest.mark.slow
def test_snippets_and_references_are_filled_in(site: Path) -> None:
    assert "class" in (site / "howto/reward/index.html").read_text()
    assert "Brevity" in (site / "howto/reward/index.html").read_text()
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert not re.search(r"--8 ?(&lt;|<)", text), page
    assert "get_language_model" in (site / "reference/algorithms/index.html").read_text()


def test_pages_show_files_as_they_are() -> None:
    """On GitHub, too, where nothing is filled in."""
    run = subprocess.run(
        [sys.executable, "scripts/show_files.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert not [page for page in (ROOT / "docs").rglob("*.md") if "--8<--" in page.read_text()]


def test_code_that_a_page_shows_in_part_begins_and_ends_where_it_should() -> None:
    """A snippet by line numbers is of a whole class, or of whole entries."""
    for page in (ROOT / "docs").rglob("*.md"):
        for name, first, last in re.findall(r"<!-- (docs/examples/[^\s:]+):(\d+):(\d+) -->", page.read_text()):
            lines = (ROOT / name).read_text().splitlines()[int(first) - 1 : int(last)]
            assert lines and not lines[0].startswith((" ", "\t")) and lines[-1].strip(), (page, name)
            if name.endswith(".py"):
                compile("\n".join(lines), name, "exec")
                rest = (ROOT / name).read_text().splitlines()[int(last) :]
                assert not rest or not rest[0].strip(), (page, name)
