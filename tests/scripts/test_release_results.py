"""docs/results/: a copy of the tables with their commit and a manifest, or a refusal that changes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rl4lms.core.errors import DataError, UserError
from rl4lms.core.io import sha256_file
from rl4lms.results.release import Release
from scripts.release_results import MAX_BYTES, PLOTS, TABLES, release
from tests.results.released_suite import SUITE, git, make_project

pytestmark = pytest.mark.slow
RELEASED = {*TABLES, *PLOTS, "README.md", "manifest.json"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("release") / "project")


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A repository whose suite is finished."""
    return Path(shutil.copytree(finished, tmp_path / "project"))


def test_a_release_names_its_commit(project: Path) -> None:
    target = release(project, SUITE)
    text, grue = (target / "README.md").read_text(), project / "results" / SUITE / "grue"
    assert git(project, "rev-parse", "HEAD") in text
    assert (grue / "grue.md").read_text().strip() in text
    assert {path.name for path in target.iterdir()} == RELEASED
    for name in (*TABLES, *PLOTS):
        assert (target / name).read_bytes() == (grue / name).read_bytes()


def test_the_manifest_has_a_digest_of_every_file_of_every_job(project: Path) -> None:
    target, results = release(project, SUITE), project / "results" / SUITE
    found = Release.read(target / "manifest.json")
    assert sha256_file(target / "manifest.json") in (target / "README.md").read_text()
    assert found.commit == git(project, "rev-parse", "HEAD")
    assert len(found.cells) == 16
    listed = {f"{directory}/{name}": sha for directory in found.jobs for name, sha in found.digests(directory).items()}
    there = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    assert listed.keys() == {
        name for name in there if not name.endswith("manifest.json") and not name.startswith("grue/")
    }
    assert listed == {name: sha256_file(results / name) for name in listed}
    order = list(found.jobs)
    for cell in found.cells:
        needed = found.ancestry(cell)
        assert [order.index(name) for name in needed] == sorted(order.index(name) for name in needed)


def test_a_second_release_replaces_the_first(project: Path) -> None:
    (release(project, SUITE) / "old.csv").touch()
    git(project, "add", "docs")
    git(project, "commit", "--quiet", "-m", "results")
    (project / "dvc.lock").touch()
    assert {path.name for path in release(project, SUITE).iterdir()} == RELEASED


def test_uncommitted_code_is_refused(project: Path) -> None:
    (project / "Snakefile").write_text("x = 2\n")
    with pytest.raises(UserError, match=r"Snakefile.*commit them"):
        release(project, SUITE)
    assert not (project / "docs").exists()


def test_a_missing_table_is_named(project: Path) -> None:
    (project / "results" / SUITE / "grue/scores.csv").unlink()
    with pytest.raises(UserError, match=r"results/tiny/grue/scores\.csv: not there"):
        release(project, SUITE)


def test_too_much_is_refused(project: Path) -> None:
    (project / "results" / SUITE / "grue/scores.csv").write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(UserError, match=f"at most {MAX_BYTES:,} "):
        release(project, SUITE)


def test_a_missing_output_is_named(project: Path) -> None:
    (project / "results" / SUITE / "runs/imdb/ppo/seed0/model/model.safetensors").unlink()
    with pytest.raises(DataError, match=r"runs/imdb/ppo/seed0/model/model\.safetensors: no such file"):
        release(project, SUITE)
    assert not (project / "docs").exists()


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"kernels": "native"}, "kernels is 'native', of .* 'portable'"),
        ({"packages": {"numpy": "1.0"}}, "packages is .*1.0"),
        (
            {"inputs": {"results/tiny/data/imdb/test.jsonl": "0" * 64}},
            "made from another results/tiny/data/imdb/test.jsonl",
        ),
    ],
)
def test_jobs_that_do_not_belong_together_are_refused(project: Path, facts: dict[str, object], said: str) -> None:
    path = project / "results" / SUITE / "scores/imdb/ppo/seed1/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))
    with pytest.raises(DataError, match=said):
        release(project, SUITE)


def test_other_packages_than_the_locked_ones_are_refused(project: Path) -> None:
    (project / "constraints.txt").write_text("numpy==1.0\n")
    git(project, "commit", "-q", "-a", "-m", "lock")
    with pytest.raises(DataError, match=r"made with other packages than constraints.txt has: numpy is .*, locked 1\.0"):
        release(project, SUITE)
