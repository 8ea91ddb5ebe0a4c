"""The suite `tiny`, every stage for real: tables at the end, nothing on a second run, the same bytes made again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rl4lms.core.io import sha256_file
from tests.pipeline.checkout import Checkout

pytestmark = pytest.mark.long

RUN = "results/tiny/runs/imdb/supervised_ppo/seed0"
SUITE = ("--config", "suite=tiny")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout.make(tmp_path_factory.mktemp("tiny"), stub=False)
    checkout.grue("grue_all", *SUITE)
    return checkout


def declared(checkout: Checkout) -> dict[str, str]:
    """Output of either DAG -> its digest."""
    files = [file for job in checkout.jobs(suite="tiny") for file in job["outputs"]]
    return {file: sha256_file(checkout.path / file) for file in files}


def test_it_ends_in_tables(finished: Checkout) -> None:
    grue = finished.path / "results/tiny/grue"
    assert "PPO" in (grue / "grue.md").read_text()
    headline = json.loads((grue / "metrics.json").read_text())
    assert headline
    assert all(isinstance(value, int | float) for value in headline.values())


def test_a_second_run_does_nothing(finished: Checkout) -> None:
    assert "Nothing to be done" in finished.grue("grue_all", *SUITE).stdout


def test_a_run_made_again_is_the_same_to_the_byte(finished: Checkout) -> None:
    before = declared(finished)
    shutil.rmtree(Path(finished.path, RUN))
    finished.grue("grue_all", *SUITE)
    assert declared(finished) == before


def test_snakemake_reports_on_it(finished: Checkout) -> None:
    finished.run("snakemake", "grue_all", "--report", "report.html", *SUITE)
    assert "learning_curves.png" in (finished.path / "report.html").read_text()
