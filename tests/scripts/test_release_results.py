"""docs/results/: a copy of the tables, with the commit they are of, or a refusal that changes nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.release_results import MAX_BYTES, PLOTS, TABLES, ReleaseError, release


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    run = subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return run.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository whose suite `mini` is finished."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("/results/\n")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "code")
    grue = tmp_path / "results/mini/grue"
    grue.mkdir(parents=True)
    for name in (*TABLES, *PLOTS):
        (grue / name).write_text(f"content of {name}\n")
    return tmp_path


def test_a_release_names_its_commit(project: Path) -> None:
    target = release(project, "mini")
    text = (target / "README.md").read_text()
    assert git(project, "rev-parse", "HEAD") in text
    assert "content of grue.md" in text
    for name in (*TABLES, *PLOTS):
        assert (target / name).read_text() == f"content of {name}\n"


def test_a_second_release_replaces_the_first(project: Path) -> None:
    (release(project, "mini") / "old.csv").touch()
    git(project, "add", "docs")
    git(project, "commit", "--quiet", "-m", "results")
    (project / "dvc.lock").touch()
    target = release(project, "mini")
    assert {path.name for path in target.iterdir()} == {*TABLES, *PLOTS, "README.md"}


def test_uncommitted_code_is_refused(project: Path) -> None:
    (project / "code.py").write_text("x = 2\n")
    with pytest.raises(ReleaseError, match=r"code\.py.*commit them"):
        release(project, "mini")
    assert not (project / "docs").exists()


def test_a_missing_table_is_named(project: Path) -> None:
    (project / "results/mini/grue/scores.csv").unlink()
    with pytest.raises(ReleaseError, match=r"results/mini/grue/scores\.csv: not there"):
        release(project, "mini")


def test_too_much_is_refused(project: Path) -> None:
    (project / "results/mini/grue/scores.csv").write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(ReleaseError, match="at most 1,000,000"):
        release(project, "mini")
