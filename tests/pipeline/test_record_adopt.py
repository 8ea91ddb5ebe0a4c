"""One DAG takes over what the other has run: `make record` and `make adopt`, over stages that cost nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.pipeline.checkout import Checkout, shrink

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout.make(tmp_path_factory.mktemp("record"))
    shrink(checkout, "imdb", algs=["ppo"])
    return checkout


def test_record_refuses_an_unfinished_benchmark(checkout: Checkout) -> None:
    assert "record: the benchmark is not finished" in checkout.target("record", check=False)
    assert not (checkout.path / "dvc.lock").exists()


def test_record_writes_the_lock_that_dvc_repro_writes(checkout: Checkout) -> None:
    checkout.grue("grue_all")
    assert "up to date" in checkout.target("record", FAIL="--suite"), "no stage is run"
    assert checkout.due() == set(), "nor will Snakemake run any"
    recorded = (checkout.path / "dvc.lock").read_text()
    (checkout.path / "dvc.lock").unlink()
    shutil.rmtree(checkout.path / "results")
    checkout.run("dvc", "repro", "--quiet", "--no-run-cache")
    assert (checkout.path / "dvc.lock").read_text() == recorded


def test_a_lock_file_that_lacks_stages_is_said_and_completed(checkout: Checkout) -> None:
    """As DVC leaves it when it is killed while it writes: valid, shorter, and "up to date"."""
    lock = checkout.path / "dvc.lock"
    whole = lock.read_text()
    content = yaml.safe_load(whole)
    for stage in ("aggregate", "train_sentiment@imdb-ppo-0"):
        del content["stages"][stage]
    lock.write_text(yaml.safe_dump(content, sort_keys=False))
    said = "dvc.lock lacks 2 of 12 stages ("
    refused = checkout.target("adopt", check=False)
    assert "adopt: git checkout dvc.lock, or dvc repro: " + said in refused
    assert "record: they are recorded now: " + said in checkout.target("record")
    assert yaml.safe_load(lock.read_text()) == yaml.safe_load(whole)  # in whatever order


def test_adopt_settles_snakemake_after_dvc(checkout: Checkout) -> None:
    """The run before left DVC's results; a change makes DVC regenerate one, which Snakemake then takes as done."""
    checkout.set_param("algs/ppo.yaml", "args.clip_range", 0.77)
    assert "adopt: dvc status finds changes" in checkout.target("adopt", check=False)
    checkout.run("dvc", "repro", "--quiet")
    checkout.target("adopt")
    assert checkout.due() == set()
    assert checkout.stale() == set()


def test_a_damaged_result_is_restored_from_the_record(checkout: Checkout) -> None:
    scores = Path(checkout.path, "results/mini/scores/imdb/ppo/seed0/metrics.json")
    good = scores.read_text()
    scores.write_text("{}")
    assert checkout.stale() != set()
    checkout.run("dvc", "checkout", "--force", "--quiet")
    assert scores.read_text() == good
    assert checkout.stale() == set()
