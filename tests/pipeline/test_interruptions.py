"""Two invocations at once, and one that is killed, over stages that cost nothing: results are right or absent."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.checkout import Checkout, shrink

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout.make(tmp_path_factory.mktemp("interruptions"))
    shrink(checkout, "imdb", algs=["ppo"])
    checkout.grue("grue_all")
    return checkout


@pytest.fixture(scope="module")
def right(finished: Checkout) -> dict[str, str]:
    """What every result must be, by digest."""
    return finished.declared()


@pytest.fixture
def unfinished(finished: Checkout, right: dict[str, str]) -> Iterator[Checkout]:
    """The checkout without the results of one run and of what follows from it; a test makes them again."""
    shutil.rmtree(finished.path / "results/mini/runs/imdb/ppo")
    yield finished
    for name in ("held", "go"):
        (finished.path / name).unlink(missing_ok=True)
    assert finished.due() == set()


def hold(checkout: Checkout, words: str) -> subprocess.Popen[bytes]:
    """Snakemake in the background, once the stage whose command holds these words has written its first output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        ["snakemake", "--profile", "workflow/profiles/default", "--cores", "2", "grue_all"],
        cwd=checkout.path,
        env={**os.environ, "PATH": path, "PYTHONPATH": "", "HOLD": words},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 120
    while not (checkout.path / "held").exists():
        assert process.poll() is None, "it ended before the stage began"
        assert time.monotonic() < end
        time.sleep(0.05)
    return process


def test_a_second_invocation_is_refused_and_harms_nothing(unfinished: Checkout, right: dict[str, str]) -> None:
    first = hold(unfinished, "train imdb ppo")
    second = unfinished.grue("grue_all", check=False)
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout
    assert "--unlock" in second.stdout, "the way out"
    (unfinished.path / "go").touch()
    assert first.wait(120) == 0
    assert unfinished.declared() == right


def test_a_killed_run_is_unlocked_and_ends_in_the_same_results(unfinished: Checkout, right: dict[str, str]) -> None:
    """SIGKILL of Snakemake and its stages in the middle of one: its first output lies there, unfinished."""
    process = hold(unfinished, "train imdb ppo")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    left = unfinished.made()
    assert 0 < sum("/runs/imdb/ppo/" in file for file in left) < 9, "a part of the run's files"
    assert "--unlock" in unfinished.grue("grue_all", check=False).stdout
    unfinished.run("snakemake", "--unlock")
    planned = unfinished.due()
    assert any(" --method ppo " in command and " train " in command for command in planned)
    unfinished.grue("grue_all")
    assert unfinished.declared() == right
