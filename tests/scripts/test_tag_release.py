"""A tag is of a commit that says its version everywhere; its message is that section of the changelog."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from rl4lms import __version__
from scripts.tag_release import STATED, ReleaseError, notes, tag
from tests.scripts.test_release_results import git

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-11-28

### Added
- a thing

### Numerics
- nothing moved

## [1.1.0]

### Fixed
- another
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "test")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "test@example.org")
    git(tmp_path, "init", "--quiet")
    (tmp_path / "rl4lms").mkdir()
    (tmp_path / "rl4lms/__init__.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("title: t\nversion: 1.2.0\n")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "release")
    return tmp_path


def test_the_tag_carries_the_notes(project: Path):
    text = tag(project, "1.2.0")
    assert text == "### Added\n- a thing\n\n### Numerics\n- nothing moved"
    assert git(project, "rev-parse", "v1.2.0^{commit}") == git(project, "rev-parse", "HEAD")
    assert text in git(project, "tag", "--list", "--format=%(contents)", "v1.2.0")
    with pytest.raises(ReleaseError, match="the tag v1.2.0 is there already"):
        tag(project, "1.2.0")


@pytest.mark.parametrize(
    ("version", "said"),
    [("1.2", "expected one like"), ("1.3.0", "rl4lms/__init__.py says version 1.2.0; let it say 1.3.0")],
)
def test_a_wrong_version(project: Path, version: str, said: str):
    with pytest.raises(ReleaseError, match=said):
        tag(project, version)


def test_what_is_not_committed_or_not_told(project: Path):
    (project / "new.py").touch()
    with pytest.raises(ReleaseError, match=r"in no commit \(new.py\)"):
        tag(project, "1.2.0")
    (project / "CHANGELOG.md").write_text(CHANGELOG.replace("1.2.0", "1.2.1"))
    with pytest.raises(ReleaseError, match=r"no text under ## \[1.2.0\]"):
        tag(project, "1.2.0")
    assert git(project, "tag") == ""
    assert notes(CHANGELOG, "1.1.0") == "### Fixed\n- another"


def test_the_project_s_own_files_agree():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__
    assert all((ROOT / name).is_file() for name in STATED)


@pytest.mark.parametrize("version", ["", "9.9.9"])
def test_make_takes_the_version(version: str):
    command = ["make", "-n", "-C", str(ROOT), "-o", ".venv/.installed", "release", f"VERSION={version}"]
    planned = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert ("tag_release.py 9.9.9" in planned) is bool(version)
    assert ("release_results.py" in planned) is (not version)
