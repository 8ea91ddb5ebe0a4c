"""What a finished run says as tables: its curves, its samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from rl4lms.core.errors import DataError
from rl4lms.results.run_directory import RunDirectory

RUN = Path(__file__).with_name("previous_release")
METRIC = "synthetic/increasing_numbers_in_text"


@pytest.fixture(scope="module")
def run() -> RunDirectory:
    return RunDirectory.open(RUN)


def test_curves_have_a_row_per_iteration_and_a_column_per_logged_number(run: RunDirectory) -> None:
    curves = run.curves
    assert list(curves.index) == [0, 1, 2]
    assert curves.index.name == "iteration"
    logged = run.log("rollout_info.jsonl")
    assert list(curves["rollout/ep_rew_mean"].dropna()) == [row["rollout/ep_rew_mean"] for row in logged]
    assert {"train/loss", f"val/{METRIC}", f"test/{METRIC}"} <= set(curves.columns)
    assert curves[f"test/{METRIC}"].dropna().iloc[-1] == run.metrics("test")[METRIC]


def test_a_run_that_logged_nothing_has_no_curves(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert RunDirectory.open(tmp_path).curves.empty


def test_samples_are_those_of_the_last_evaluation_or_of_an_epoch(run: RunDirectory) -> None:
    samples = run.samples("test")
    assert list(samples["generated_text"]) == [row["generated_text"] for row in run.predictions("test")]
    assert METRIC in samples
    assert samples.equals(run.samples("test", 2))
    assert not samples.equals(run.samples("test", 0))


def test_an_epoch_without_samples_is_named(run: RunDirectory) -> None:
    with pytest.raises(DataError, match=r"no predictions of the split test at epoch 1; there are: 0, 2\."):
        run.samples("test", 1)
