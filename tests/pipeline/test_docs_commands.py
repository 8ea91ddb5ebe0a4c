"""The commands of docs/dvc.md, one after the other over stages that cost nothing; docs/cluster.md's as dry runs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.pipeline.checkout import ROOT, Checkout, shrink

pytestmark = pytest.mark.long

AUTHOR = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def blocks(page: str) -> list[tuple[str, list[str]]]:
    """(the text before it, its lines) of each block of shell commands."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    parts = re.split(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [(before, block.splitlines()) for before, block in zip(parts[::2], parts[1::2], strict=False)]


def said(checkout: Checkout, line: str) -> str:
    """What the command says, in the environment of the tests."""
    line = re.sub(r"^make ", "make -o .venv/.installed ", line)
    return checkout.run("bash", "-c", line, **AUTHOR).stdout


def test_the_dvc_page_works_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    checkout = Checkout.make(tmp_path / "first")
    shrink(checkout, "imdb", algs=["ppo"])
    checkout.commit("The project")
    words = {}
    for before, lines in blocks("dvc.md"):
        if "In a fresh clone" in before:
            subprocess.run(["git", "clone", "--quiet", str(tmp_path / "first"), str(tmp_path / "clone")], check=True)
            checkout = Checkout(tmp_path / "clone")
        for line in lines:
            words[line] = said(checkout, line.replace("/tmp/store", str(tmp_path / "store")))
    assert "up to date" in words["make record"]
    assert all(name in words["make experiments"] for name in ("clip-0.1", "clip-0.3", "kl-0.1"))
    assert "score_ppo" in words["dvc metrics diff HEAD clip-0.1"]
    assert "Nothing to be done" in words["snakemake -n grue_all"]
    assert checkout.path.name == "clone"


def test_the_cluster_page_is_planned(tmp_path: Path) -> None:
    checkout = Checkout.make(tmp_path / "cluster")
    commands = [line for _, lines in blocks("cluster.md") for line in lines]
    planned = [line for line in commands if "grue_all" in line]
    assert len(planned) == 5
    for line in planned:
        assert "output files have to be generated" in said(checkout, line.replace("grue_all", "-n grue_all", 1)), line
    shrink(checkout, "imdb", algs=["ppo"])
    checkout.grue("grue_all")
    for line in commands:
        if line not in planned:
            said(checkout, line)
