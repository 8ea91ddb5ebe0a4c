"""Provenance: what it says, and that it is asked of git as a user would."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import rl4lms
from rl4lms.core.kernels import cpu_name, process_facts
from rl4lms.core.manifest import add_to_manifest, build_manifest, git_revision


def test_a_manifest_says_what_ran_on_what() -> None:
    manifest = build_manifest(seed=3, device="cpu", inputs={"a": "0f"}, task_version=2, stage="train", suite="tiny")
    assert manifest["rl4lms"] == rl4lms.__version__
    assert (manifest["seed"], manifest["device"], manifest["inputs"]) == (3, "cpu", {"a": "0f"})
    assert (manifest["task_version"], manifest["stage"], manifest["suite"]) == (2, "train", "tiny")
    facts = {**process_facts(), "cpu": cpu_name()}
    assert {name: manifest[name] for name in facts} == facts
    assert {"torch", "transformers", "numpy"} <= set(manifest["packages"])
    assert json.loads(json.dumps(manifest)) == manifest


def test_a_stage_adds_what_the_training_does_not_know(tmp_path: Path) -> None:
    add_to_manifest(tmp_path, suite="tiny")
    add_to_manifest(tmp_path, task="imdb", suite="mini")
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"suite": "mini", "task": "imdb"}


def test_the_revision_tells_changed_files(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(tmp_path)]
    (tmp_path / "f").write_text("1")
    for command in (["init", "-q"], ["add", "f"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert git_revision(tmp_path) == head
    (tmp_path / "f").write_text("2")
    assert git_revision(tmp_path) == f"{head}-dirty"
