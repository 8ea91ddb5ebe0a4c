"""`init` writes a grid that plans and runs as the project's own does, and never overwrites what somebody wrote."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from rl4lms import __version__
from rl4lms.cli import init as module
from rl4lms.cli.init import grid
from rl4lms.cli.main import main
from tests.pipeline.checkout import Checkout

ROOT = Path(__file__).resolve().parents[2]
BUILD = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
GRID = BUILD["targets"]["wheel"]["hooks"]["custom"]["grid"]


def test_the_files_are_the_project_s_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["init", str(tmp_path / "mine")]) == 0
    written = {str(p.relative_to(tmp_path / "mine")) for p in (tmp_path / "mine").rglob("*") if p.is_file()}
    assert written == set(grid())
    assert f"{len(written)} files written" in capsys.readouterr().out
    mine = {name: (tmp_path / "mine" / name).read_bytes() for name in written}
    ours = {name: (ROOT / name).read_bytes() for name in written if (ROOT / name).is_file()}
    changed = {name for name in written if mine[name] != ours.get(name)}
    assert changed == {"Makefile", "dvc.yaml", "requirements.txt"}
    for name in ("Snakefile", "params/grue.yaml", "params/suites/tiny/grue.yaml", "workflow/rules/training.smk"):
        assert name in written


def test_the_library_s_version_stands_for_its_code():
    files = grid()
    assert files["requirements.txt"] == f"rl4lms-grue=={__version__}\n"
    stages = yaml.safe_load(files["dvc.yaml"])["stages"]
    deps = [dep for stage in stages.values() for dep in stage["deps"]]
    assert "requirements.txt" in deps
    assert not [dep for dep in deps if dep.startswith("rl4lms")]


def test_what_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["init", str(tmp_path)]) == 0
    own = tmp_path / "params/grue.yaml"
    own.write_text("suite: tiny\n")
    (tmp_path / "dvc.yaml").unlink()
    assert main(["init", str(tmp_path)]) == 2
    assert "has other files of these names: params/grue.yaml." in capsys.readouterr().err
    assert own.read_text() == "suite: tiny\n"
    assert not (tmp_path / "dvc.yaml").exists()
    assert main(["init", "--force", str(tmp_path)]) == 0
    assert "2 files written" in capsys.readouterr().out
    assert own.read_text() == (ROOT / "params/grue.yaml").read_text()


def test_refusals_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    assert main(["init", str(tmp_path / "file")]) == 2
    assert "is a file; name a folder." in capsys.readouterr().err
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "rl4lms")
    assert main(["init", str(tmp_path / "new")]) == 2
    assert "was installed without the grid" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.fixture
def folder(tmp_path: Path) -> Checkout:
    """A grid of one's own in a git repository; the library is imported from here, as from an installation."""
    assert main(["init", str(tmp_path / "mine")]) == 0
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path / "mine", check=True)
    return Checkout(tmp_path / "mine")


ENVIRONMENT = {"PYTHONPATH": str(ROOT)}


@pytest.mark.slow
def test_it_is_planned(folder: Checkout):
    said = folder.run("snakemake", "-n", "--cores", "1", "--quiet", "rules", "--", "grue_all", **ENVIRONMENT).stdout
    assert "aggregate" in said
    assert "Makefile" in {path.name for path in folder.path.iterdir()}
    assert "make grue" in folder.run("make", **ENVIRONMENT).stdout


@pytest.mark.long
def test_it_runs(folder: Checkout):
    options = ["--cores", "2", "grue_all", "--config", "suite=tiny", "tasks=[imdb]", "algs=[ppo]", "seeds=[0]"]
    folder.run("snakemake", *options, **ENVIRONMENT)
    assert (folder.path / "results/tiny/runs/imdb/ppo/seed0/model/config.json").is_file()
    assert "Nothing to be done" in folder.run("snakemake", "-n", *options, **ENVIRONMENT).stdout
    assert "recipes" in folder.run("dvc", "status", **ENVIRONMENT).stdout


@pytest.mark.long
def test_the_wheel_holds_all_that_an_installation_needs(tmp_path: Path):
    """Built and installed without a network: the packages of this environment serve both."""
    pytest.importorskip("hatchling", reason="pip install -c constraints.txt -e '.[dev]'")
    source = tmp_path / "source"
    source.mkdir()
    for name in ["rl4lms", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE", *GRID]:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(source)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    # Only the other packages: the .pth files in that folder, an editable installation's, are not read from here.
    (packages / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    (wheel,) = tmp_path.glob("*.whl")
    python = str(tmp_path / "venv/bin/python")
    empty = tmp_path / "empty"
    empty.mkdir()

    def run(*command: str, cwd: Path = empty) -> str:
        environment = {
            "PATH": f"{tmp_path / 'venv/bin'}:{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(tmp_path),
        }
        result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    assert str(packages) in run(python, "-c", "import rl4lms; print(rl4lms.__file__)")
    assert "init" in run(python, "-m", "rl4lms", "--help")
    assert run(str(tmp_path / "venv/bin/rl4lms"), "--version").strip() == f"rl4lms {__version__}"
    run(python, "-m", "rl4lms", "init", "mine")
    assert {str(p.relative_to(empty / "mine")) for p in (empty / "mine").rglob("*") if p.is_file()} == set(grid())
    run(python, "-m", "rl4lms", "prepare", "--suite", "tiny", "--task", "imdb", "--out", "data", cwd=empty / "mine")
    assert (empty / "mine/data/train.jsonl").is_file()
