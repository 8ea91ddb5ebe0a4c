"""The suite `tiny`, every stage for real: tables at the end, nothing on a second run, the same bytes made again."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.pipeline.checkout import Checkout
from tests.pipeline.conftest import SUITE

pytestmark = pytest.mark.long

RUN = "results/tiny/runs/imdb/supervised_ppo/seed0"


def test_it_ends_in_tables(tiny: Checkout) -> None:
    grue = tiny.path / "results/tiny/grue"
    assert "PPO" in (grue / "grue.md").read_text()
    headline = json.loads((grue / "metrics.json").read_text())
    assert headline
    assert all(isinstance(value, int | float) for value in headline.values())


def test_a_second_run_does_nothing(tiny: Checkout) -> None:
    assert "Nothing to be done" in tiny.grue("grue_all", *SUITE).stdout


def test_a_run_made_again_is_the_same_to_the_byte(tiny: Checkout) -> None:
    before = tiny.declared(suite="tiny")
    shutil.rmtree(Path(tiny.path, RUN))
    tiny.grue("grue_all", *SUITE)
    assert tiny.declared(suite="tiny") == before


def test_eight_forked_jobs_at_once_make_the_same_bytes_as_one_by_itself(tiny: Checkout, tmp_path: Path) -> None:
    """Both from a clean checkout."""
    other = Checkout.make(tmp_path / "eight", stub=False)
    other.grue("grue_all", *SUITE, cores=8, RL4LMS_WARM=None)
    assert other.declared(suite="tiny") == tiny.declared(suite="tiny")
    peak = [float(row["max_rss"]) for row in benchmarks(other, "train")]
    assert min(peak) < 100 < min(float(row["max_rss"]) for row in benchmarks(tiny, "train")), "they were forked"


def benchmarks(checkout: Checkout, stage: str) -> list[dict[str, str]]:
    """What Snakemake measured of the processes that it started."""
    files = (checkout.path / "results/tiny/benchmarks" / stage).glob("*.tsv")
    return [next(csv.DictReader(file.read_text().splitlines(), delimiter="\t")) for file in files]


def test_snakemake_reports_on_it(tiny: Checkout) -> None:
    tiny.run("snakemake", "grue_all", "--report", "report.html", *SUITE)
    assert "learning_curves.png" in (tiny.path / "report.html").read_text()
