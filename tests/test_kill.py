"""A few of the kills of `python -m tests.kill`; docs/resume.md has the table of forty."""

from __future__ import annotations

from pathlib import Path

import pytest

from rl4lms.cli.main import STAGES
from tests.kill import trial


@pytest.mark.long
def test_killed_stages_end_with_the_bytes_of_an_uninterrupted_suite(tmp_path: Path) -> None:
    kills, differing = trial(tmp_path, n=0, n_writes=len(STAGES) + 3, seed=7)
    assert {kill.job.stage for kill in kills} == set(STAGES)
    assert all(kill.identical for kill in kills)
    assert not differing
