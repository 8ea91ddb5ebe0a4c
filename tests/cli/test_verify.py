"""`python -m rl4lms verify`: an honest release holds, whatever is forged is named, and mistakes are one line."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rl4lms.cli.main import main
from rl4lms.core.io import sha256_text
from rl4lms.core.manifest import MANIFEST_FILE
from rl4lms.results import worktree
from rl4lms.results.release import Release, SuiteCell
from scripts.release_results import release
from tests.forgeries import INCONSISTENT, Change, Copy, manifest_key
from tests.results.released_suite import ROOT, SUITE, aggregated, git, make_project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a release of its suite; a test leaves it so."""
    root = make_project(tmp_path_factory.mktemp("verify") / "project")
    release(root, SUITE)
    return root


@pytest.fixture
def copy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """The release and the results, to be forged, seen from the project."""
    monkeypatch.chdir(project)
    shutil.copytree(project / "docs/results", tmp_path / "folder")
    shutil.copytree(project / "results" / SUITE, tmp_path / "results")
    return Copy(tmp_path / "folder", tmp_path / "results")


@pytest.fixture
def own(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the test's own, with results and release."""
    shutil.copytree(project, tmp_path / "own", symlinks=True)
    monkeypatch.chdir(tmp_path / "own")
    return tmp_path / "own"


def test_an_honest_release_holds(copy: Copy, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["verify", str(copy.folder), "--results", str(copy.results)]) == 0
    assert "189 files of 33 jobs" in caplog.text
    assert "verify-" not in git(Path(), "worktree", "list"), "the temporary worktree is removed"


@pytest.mark.parametrize("manifest", sorted((ROOT / "docs/results").rglob(MANIFEST_FILE)), ids=lambda p: p.parent.name)
def test_what_is_released_here_holds(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its commit in the history, of which a shallow clone has only the end."""
    monkeypatch.chdir(ROOT)
    commit = Release.read(manifest).commit
    if subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True).returncode:
        pytest.skip(f"this clone lacks the commit {commit[:7]}")
    assert main(["verify", str(manifest.parent)]) == 0


def test_drawn_cells_are_made_again_by_the_commits_rules(
    copy: Copy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work = tmp_path / "work"
    assert main(["verify", str(copy.folder), "--cells", "2", "--seed", "1", "--work", str(work)]) == 0
    for said in ("drawn with seed 1", "bytes compared", "probability 0.125 (2 of 16)"):
        assert said in caplog.text
    made = {path.parent for path in work.glob("*/results/tiny/scores/*/*/*/metrics.json")}
    assert len(made) == 2


@pytest.mark.parametrize(
    ("change", "rehash", "with_results"),
    [pytest.param(*entry[:3], id=name) for name, entry in INCONSISTENT.items()],
)
def test_what_contradicts_itself_is_found(
    copy: Copy, change: Change, rehash: bool, with_results: bool, caplog: pytest.LogCaptureFixture
) -> None:
    change(copy, random.Random(0))
    if rehash:
        copy.rehash()
    options = ["--results", str(copy.results)] if with_results else []
    assert main(["verify", str(copy.folder), *options]) in (1, 2)
    assert "holds." not in caplog.text


def test_a_consistent_forgery_is_found_by_making_its_cell_again(own: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scores = own / "results/tiny/scores/imdb/ppo/seed1"
    for name in ("metrics.json", "test_split_metrics.jsonl"):
        text = (scores / name).read_text()
        (scores / name).write_text(re.sub(r'("fluency_metrics/perplexity": )[\d.]+', r"\g<1>12.5", text))
    aggregated(own)
    release(own, SUITE)
    assert main(["verify", "docs/results", "--results", "results/tiny"]) == 0, "nothing contradicts itself"
    capfd.readouterr()
    assert main(["verify", "docs/results", "--cells", "imdb/ppo/1"]) == 1
    found = capfd.readouterr().out
    assert "made again, scores/imdb/ppo/seed1/metrics.json: sha256" in found
    assert "imdb/ppo/seed1: fluency_metrics/perplexity is 12.5 in scores.csv, made again 2" in found
    assert main(["verify", "docs/results", "--cells", "imdb/ppo/0"]) == 0, "another cell is as it was"


def test_a_forged_curve_is_found_by_making_its_cell_again(copy: Copy, capfd: pytest.CaptureFixture[str]) -> None:
    rows = copy.rows("curves.csv")
    row = next(row for row in rows if row["method"] == "ppo" and row["seed"] == "0")
    row["value"] = "0.99"
    copy.write_rows("curves.csv", rows)
    copy.rehash()
    assert main(["verify", str(copy.folder)]) == 0
    assert main(["verify", str(copy.folder), "--cells", f"{row['task']}/ppo/0"]) == 1
    assert f"curves.csv: {row['task']}/ppo/seed0, {row['metric']} at {row['iteration']}" in capfd.readouterr().out


def test_other_kernels_compare_values(
    copy: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FACTS", json.dumps({"kernels": "native"}))
    assert main(["verify", str(copy.folder), "--cells", "common_gen/ppo/0"]) == 0
    assert "values compared, for bytes need not be equal: kernels 'native', released 'portable'" in caplog.text
    assert re.search(r"common_gen/ppo/seed0: lexical/meteor is 0.\d+, made again 0.\d+, tolerance 0.\d+", caplog.text)


def test_a_table_that_dvc_lock_did_not_record_is_named(own: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outs = [
        {
            "path": f"results/tiny/grue/{name}",
            "md5": hashlib.md5((own / "docs/results" / name).read_bytes()).hexdigest(),
        }
        for name in ("scores.csv", "curves.csv")
    ]
    (own / "dvc.lock").write_text(json.dumps({"stages": {"aggregate": {"outs": outs}}}))
    assert main(["verify", "docs/results"]) == 1
    assert "names no dvc.lock, though the repository's records the suite" in capfd.readouterr().out
    release(own, SUITE)
    assert main(["verify", "docs/results"]) == 0
    git(own, "add", "-f", "dvc.lock")
    git(own, "commit", "-q", "-m", "recorded")
    copy = Copy(own / "docs/results", own / "results/tiny")
    INCONSISTENT["a number of curves.csv"][0](copy, random.Random(0))
    copy.rehash()
    (own / "dvc.lock").write_text("stages: {}\n")  # a later one; the release's is in history
    capfd.readouterr()
    assert main(["verify", "docs/results"]) == 1
    assert "curves.csv: not the file that dvc.lock recorded" in capfd.readouterr().out
    manifest_key("dvc_lock", lambda found: "0" * 64)(copy, random.Random(0))
    copy.rehash()
    assert main(["verify", "docs/results"]) == 1
    assert "dvc.lock: no version of it in this repository has" in capfd.readouterr().out


def test_mistakes_are_one_line(copy: Copy, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        assert main(["verify", *arguments]) == 2
        return capfd.readouterr().err.splitlines()[-1]

    folder = str(copy.folder)
    assert "no such file, so there is nothing to verify" in said(str(tmp_path))
    assert 'no such cell. Did you mean "imdb/ppo/seed0"?' in said(folder, "--cells", "imdb/pppo/0")
    assert "has 16 cells" in said(folder, "--cells", "17")
    assert "expected a whole number of at least 1" in said(folder, "--cores", "0")
    assert "no such directory" in said(folder, "--results", str(tmp_path / "none"))
    foreign = tmp_path / "work" / Release.read(copy.folder / MANIFEST_FILE).commit[:12]
    foreign.mkdir(parents=True)
    assert "is no checkout of" in said(folder, "--work", str(tmp_path / "work"))
    manifest_key("commit", lambda found: sha256_text(found)[:40])(copy, random.Random(0))
    assert re.search(r"has no commit \w{40}, .*git fetch", said(folder))
    (copy.folder / MANIFEST_FILE).write_text('{"format": 0}')
    assert "no manifest of a release in format 1" in said(folder)


def test_a_worktree_that_was_changed_is_refused(copy: Copy, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    work = str(tmp_path / "work")
    assert main(["verify", str(copy.folder), "--work", work]) == 0
    (script,) = Path(work).glob("*/rl4lms/__main__.py")
    script.write_text(script.read_text() + "\n# always 1.0\n")
    assert main(["verify", str(copy.folder), "--work", work]) == 2
    assert "was changed (rl4lms/__main__.py); delete it" in capfd.readouterr().err


def test_other_versions_are_named_with_the_way_out(
    copy: Copy, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(worktree, "differing", lambda locked, installed: ["torch is 2.12.0, locked 2.13.0"])
    assert main(["verify", str(copy.folder)]) == 0, "digests need no package of the release"
    assert main(["verify", str(copy.folder), "--cells", "1"]) == 2
    said = capfd.readouterr().err
    assert re.search(r"other versions than commit \w{12} locks: torch is 2.12.0, locked 2.13.0; --env DIR makes", said)


def test_a_job_that_fails_is_one_line_with_its_log(
    own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIL", "scores/imdb")
    work = tmp_path / "work"
    assert main(["verify", "docs/results", "--cells", "imdb/zero_shot/0", "--work", str(work)]) == 1
    said = capfd.readouterr().err.splitlines()[-1]
    assert said.startswith("error: ")
    assert "exit code 1" in said
    assert said.endswith(f"see {work}/verify.log")
    monkeypatch.delenv("FAIL")
    assert main(["verify", "docs/results", "--cells", "imdb/zero_shot/0", "--work", str(work)]) == 0, "it goes on"


def test_the_ancestry_of_a_cell(project: Path) -> None:
    found = Release.read(project / "docs/results" / MANIFEST_FILE)
    assert found.ancestry(SuiteCell("imdb", "supervised_ppo", 1)) == [
        "data/imdb",
        "models/base/gpt2",
        "models/reward/sentiment",
        "runs/imdb/supervised/seed1",
        "runs/imdb/supervised_ppo/seed1",
        "scores/imdb/supervised_ppo/seed1",
    ]
    assert "runs/common_gen/supervised/seed0" not in found.ancestry(SuiteCell("common_gen", "ppo", 0))
