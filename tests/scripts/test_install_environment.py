"""What an environment is made from, when it is made again, and which one is never touched."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts import install_environment
from scripts.install_environment import STAMP, InstallError, digest, install, requirements, uv_environment

ROOT = Path(__file__).resolve().parents[2]
FILES = ("pyproject.toml", "constraints.txt", "requirements-nodeps.txt")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    root.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, root)
    return root


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Installs nothing; what would be installed is noted here."""
    noted: list[dict[str, Any]] = []

    def note(root: Path, venv: Path, wanted: list[str], *, editable: bool) -> None:
        noted.append({"root": root, "editable": editable})

    monkeypatch.setattr(install_environment, "fill", note)
    monkeypatch.setattr(install_environment, "run", lambda *_, **__: None)
    return noted


def test_the_extras_of_the_project_are_resolved():
    project = {
        "name": "own",
        "dependencies": ["a>=1"],
        "optional-dependencies": {"dev": ["b>=2", "own[docs,one]"], "docs": ["c[x]>=3", "own[two]"], "one": ["d"],
                                  "two": ["e", "b>=2"], "three": ["f"]},
    }  # fmt: skip
    assert requirements(project, "dev") == ["a>=1", "b>=2", "c[x]>=3", "d", "e"]


def test_every_package_that_the_project_asks_for_is_locked():
    def names(lines: list[str]) -> set[str]:
        known = (line.partition("[")[0].partition(">")[0].partition("=")[0] for line in lines)
        return {name.lower().replace("_", "-") for name in known if not name.startswith("#")}

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert names(requirements(project, "dev")) <= names((ROOT / "constraints.txt").read_text().splitlines())


def test_uv_is_told_what_pip_is_told():
    said = "\n".join([
        "freeze.timeout='10'",
        ":env:.find-links='/wheels'",
        "global.extra-index-url='file:///one/simple file:///two/simple'",
        "global.find-links='/others'",
        "global.index-url='https://index.example/simple'",
    ])  # fmt: skip
    assert uv_environment(said) == {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INDEX": "file:///one/simple file:///two/simple",
        "UV_FIND_LINKS": "/wheels",
        "UV_DEFAULT_INDEX": "https://index.example/simple",
    }


def test_an_environment_is_made_once_whatever_the_times_of_files(checkout: Path, filled: list[Any]):
    install(checkout, checkout / ".venv")
    for name in FILES:
        (checkout / name).touch()
    lock = checkout / "constraints.txt"
    lock.write_text("# another comment\n" + lock.read_text())
    install(checkout, checkout / ".venv")
    assert filled == [{"root": checkout, "editable": True}]
    lock.write_text(lock.read_text().replace("rich==", "rich==0"))
    install(checkout, checkout / ".venv")
    assert len(filled) == 2


def test_the_project_s_own_version_and_tools_ask_for_nothing(checkout: Path):
    before = digest(checkout, ["a"])
    pyproject = checkout / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("line-length = 120", "line-length = 100"))
    assert digest(checkout, ["a"]) == before != digest(checkout, ["a", "b"])


def test_an_interrupted_environment_is_finished(checkout: Path, filled: list[Any], monkeypatch: pytest.MonkeyPatch):
    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(install_environment, "fill", killed)
        with pytest.raises(KeyboardInterrupt):
            install(checkout, checkout.parent / "shared")
    assert not filled
    install(checkout, checkout.parent / "shared")
    assert filled == [{"root": checkout, "editable": False}]


def test_a_shared_environment_serves_equal_clones_and_is_never_changed(checkout: Path, filled: list[Any]):
    shared, clone = checkout.parent / "shared", checkout.parent / "clone"
    shutil.copytree(checkout, clone)
    install(checkout, shared)
    install(clone, shared)
    assert filled == [{"root": checkout, "editable": False}]
    (clone / "constraints.txt").write_text("rich==1\n")
    with pytest.raises(InstallError, match="was made from other versions, and others may use it: name another place"):
        install(clone, shared)
    (shared / STAMP).rename(shared / "pyvenv.cfg")
    with pytest.raises(InstallError, match="was not made by make env"):
        install(checkout, shared)
    assert len(filled) == 1


def test_a_copied_environment_is_made_anew(checkout: Path, filled: list[Any]):
    install(checkout, checkout / ".venv")
    (checkout / ".venv/program").touch()
    clone = checkout.parent / "clone"
    shutil.copytree(checkout, clone)
    install(clone, clone / ".venv")
    assert not (clone / ".venv/program").exists()
    assert [note["root"] for note in filled] == [checkout, clone]


@pytest.mark.parametrize(("target", "installs"), [("help", False), ("times", False), ("experiments", False),
                                                  ("env", True), ("grue", True), ("test", True)])  # fmt: skip
def test_a_target_that_only_looks_installs_nothing(target: str, installs: bool, tmp_path: Path):
    command = ["make", "-n", "-C", str(ROOT), f"VENV={tmp_path / 'none'}", f"PYTHON={sys.executable}", target]
    planned = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert ("install_environment.py" in planned) is installs
