"""docs/quickstart.ipynb, cell by cell in one process, in an empty directory and without a network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .commands import ROOT

NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"
PAGE = ROOT / "docs" / "quickstart.md"


def cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_the_notebook_runs_and_the_reward_rises(tmp_path: Path) -> None:
    last = "json = __import__('json'); print(json.dumps(run.curves['val/kind'].dropna().tolist()))"
    script = tmp_path / "cells.py"
    script.write_text("\n\n".join([*cells(), last]))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kind = json.loads(done.stdout.splitlines()[-1])
    assert kind[0] < 0.5 and kind[-1] > kind[0] + 0.2
    assert "data_pool" not in done.stdout and "reward_fn.id" in done.stdout, "of the comparison"


def test_the_notebook_holds_no_outputs_and_the_page_shows_its_cells() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in notebook["cells"])
    shown = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(shown) >= 3
    for block in shown:
        assert any(block.strip() in cell for cell in cells()), block
