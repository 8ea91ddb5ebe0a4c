"""docs/howto/data.md, a task of one's own, typed command by command in an empty folder outside the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from .commands import ROOT, commands_of

PAGE = ROOT / "docs" / "howto" / "data.md"
_FILE = re.compile(r'<!-- (\S+) -->\n```\{[^}]* title="([^"]+)"\}\n')
_BEGINS, _ENDS = "rl4lms init", "crowd export"


def run(command: str, directory: Path) -> str:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, shell=True, cwd=directory, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.long
def test_a_task_of_ones_own_goes_through_the_whole_grid(tmp_path: Path) -> None:
    typed = [command.text for command in commands_of(PAGE)]
    first = next(i for i, text in enumerate(typed) if _BEGINS in text)
    last = next(i for i, text in enumerate(typed) if _ENDS in text)
    directory, written = tmp_path, False
    for text in typed[first : last + 1]:
        if text.startswith("cd "):
            directory /= text[3:]
        else:
            if not written and text.startswith("snakemake"):
                for source, name in _FILE.findall(PAGE.read_text(encoding="utf-8")):
                    (directory / name).write_bytes((ROOT / source).read_bytes())
                written = True
            run(text, directory)
    results = directory / "results" / "first"
    assert "Sums" in (results / "grue" / "report.html").read_text(encoding="utf-8")
    assert "Right answers" in (results / "grue" / "grue.md").read_text(encoding="utf-8")
    assert list((directory / "pages" / "pages").glob("page_*.html"))
    scores = json.loads((results / "scores/sums/ppo/seed0/metrics.json").read_text(encoding="utf-8"))
    assert any("accuracy" in key for key in scores)

    assert "Nothing to be done" in run("snakemake -n grue_all --config suite=first 2>&1", directory)
    module = directory / "sums.py"
    module.write_text(module.read_text().replace("== answer.split()", "== answer.split()[:1]"))
    planned = run("snakemake -n grue_all --config suite=first 2>&1", directory)
    assert all(stage in planned for stage in ("prepare", "supervised", "train", "evaluate"))
