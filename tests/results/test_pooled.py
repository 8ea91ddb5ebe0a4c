"""Released slices as one: the same numbers as of the whole, and a refusal where slices contradict each other."""

from __future__ import annotations

import csv
import dataclasses
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rl4lms.cli.main import main
from rl4lms.config.params import Params
from rl4lms.core.errors import DataError
from rl4lms.core.io import sha256_file, sha256_text
from rl4lms.core.manifest import MANIFEST_FILE
from rl4lms.results.pooled import pooled_scores
from rl4lms.results.release import README, Release, metrics_text, readme_digest
from rl4lms.results.release_checks import read_scores
from rl4lms.results.suite import SuiteSettings

ROOT = Path(__file__).resolve().parents[2]
WHOLE = ROOT / "docs/results/study"
SAME = ("statistics.csv", "contrasts.csv", "pairs.csv", "profiles.csv", "training.csv", "grue.csv")

Row = dict[str, str]


def settings() -> SuiteSettings:
    return SuiteSettings.from_params(Params.open(ROOT / "params", "study"))


def released(target: Path, keep: Callable[[Row], bool], change: Callable[[Row], object] = lambda row: None) -> Path:
    """A release of some of the study's cells, which agrees with itself. change: of a row of scores.csv."""
    shutil.copytree(WHOLE, target)
    for name in ("scores.csv", "curves.csv", "training.csv"):
        reader = csv.DictReader(io.StringIO((WHOLE / name).read_text()))
        rows = [row for row in reader if keep(row)]
        if name == "scores.csv":
            for row in rows:
                change(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, reader.fieldnames or [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        (target / name).write_text(text.getvalue())
    release, kept = Release.read(WHOLE / MANIFEST_FILE), read_scores(target)
    metrics = {f"scores/{cell}": metrics_text((m, v, n) for m, (v, n) in of.items()) for cell, of in kept.items()}
    jobs = {d: job for d, job in release.jobs.items() if job.stage != "evaluate" or d in metrics}
    place = release.outputs["evaluate"].index("metrics.json")
    for directory, text_of in metrics.items():
        digests = [*jobs[directory].digests]
        digests[place] = sha256_text(text_of)
        jobs[directory] = jobs[directory]._replace(digests=tuple(digests))
    old = sha256_file(WHOLE / MANIFEST_FILE)
    page = (WHOLE / README).read_text()
    files = {name: sha256_file(target / name) for name in release.files} | {README: readme_digest(page, old)}
    manifest = dataclasses.replace(release, jobs=jobs, files=files).text()
    (target / MANIFEST_FILE).write_text(manifest)
    (target / README).write_text(page.replace(old, sha256_text(manifest)))
    return target


def test_slices_of_tasks_and_of_methods_say_what_the_whole_says(tmp_path: Path) -> None:
    starts = ("zero_shot", "supervised", "best_of_n")
    text = released(tmp_path / "text", lambda row: row["task"] != "letter_counting")
    first = released(
        tmp_path / "first",
        lambda row: row["task"] == "letter_counting" and row["method"] in (*starts, "supervised_ppo"),
    )
    rest = released(
        tmp_path / "rest", lambda row: row["task"] == "letter_counting" and row["method"] != "supervised_ppo"
    )
    out = tmp_path / "pooled"
    slices = [str(path) for path in (rest, text, first)]
    assert main(["pool", *slices, "--suite", "study", "--params-dir", str(ROOT / "params"), "--out", str(out)]) == 0
    for name in SAME:
        assert (out / name).read_bytes() == (WHOLE / name).read_bytes(), name
    page = (out / README).read_text()
    assert (WHOLE / "grue.md").read_text().split("## ")[1].split("\n- ")[0] in page
    assert all(sha256_file(Path(each, MANIFEST_FILE)) in page for each in slices)


def test_a_part_can_be_pooled_by_itself() -> None:
    methods = ("supervised", "supervised_ppo", "supervised_grpo")
    part = pooled_scores([WHOLE], settings(), ["imdb", "common_gen"], methods).settings
    assert (part.tasks, part.methods) == (("imdb", "common_gen"), methods)
    assert [contrast.name for contrast in part.contrasts] == ["critic"]
    with pytest.raises(DataError, match="--tasks.*imbd.*imdb"):
        pooled_scores([WHOLE], settings(), ["imbd"])


def test_a_cell_that_no_release_has_is_named(tmp_path: Path) -> None:
    lacking = released(
        tmp_path / "lacking",
        lambda row: (row["task"], row["method"]) != ("imdb", "supervised_ppo") or row["seed"] != "3",
    )
    with pytest.raises(DataError, match="imdb/supervised_ppo/seed3 is in none of these releases"):
        pooled_scores([lacking], settings())
    with pytest.raises(DataError, match=r"imdb/supervised_a2c/seed1 is in none .* neither are 14 more"):
        pooled_scores([WHOLE], settings(), methods=["supervised", "supervised_a2c"])


def test_releases_that_differ_in_what_they_share_are_refused(tmp_path: Path) -> None:
    def other(row: Row) -> None:
        if (row["task"], row["method"], row["seed"], row["metric"]) == ("imdb", "supervised", "2", "reward"):
            row["value"] = "0.25"

    changed = released(tmp_path / "changed", lambda row: row["method"] == "supervised", other)
    with pytest.raises(DataError, match="imdb/supervised/seed2: reward is .* and 0.25 in .*changed"):
        pooled_scores([WHOLE, changed], settings())


def test_a_release_that_contradicts_its_manifest_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(WHOLE, tmp_path / "study"))
    text = (folder / "scores.csv").read_text()
    (folder / "scores.csv").write_text(text.replace("0.7", "0.8", 1))
    with pytest.raises(DataError, match=r"scores.csv: not the file that was released .* rl4lms verify"):
        pooled_scores([folder], settings())
