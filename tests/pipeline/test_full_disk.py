"""A disk that is full while a run trains or publishes: a small tmpfs, the suite `tiny`, every stage for real."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.checkout import Checkout
from tests.pipeline.conftest import SUITE

pytestmark = [pytest.mark.system, pytest.mark.skipif(os.geteuid() != 0, reason="a file system is mounted as root")]

RUN = "results/tiny/runs/imdb/ppo"
SIZE = 24 << 20


@pytest.fixture
def checkout(tiny: Checkout, tmp_path: Path) -> Iterator[Checkout]:
    """A copy of the finished suite whose results lie on a file system of their own."""
    path = tmp_path / "full"
    shutil.copytree(tiny.path, path, ignore=lambda folder, names: ["results"] if Path(folder) == tiny.path else [])
    (path / "results").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path / "results")]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this container may not mount a tmpfs")
    shutil.copytree(tiny.path / "results", path / "results", dirs_exist_ok=True)
    yield Checkout(path)
    subprocess.run(["umount", str(path / "results")], check=True)


def fill(checkout: Checkout, free: int) -> None:
    """Leave `free` bytes on the results' file system."""
    filler = checkout.path / "results/filler"
    filler.unlink(missing_ok=True)
    space = os.statvfs(checkout.path / "results")
    filler.write_bytes(bytes(max(0, space.f_bavail * space.f_frsize - free)))


def test_results_are_right_or_absent_and_there_once_there_is_room(tiny: Checkout, checkout: Checkout) -> None:
    """No room for a log; for a log but no checkpoint; for checkpoints but not for what is published beside them."""
    right = tiny.declared(suite="tiny")
    assert checkout.declared(suite="tiny") == right
    shutil.rmtree(checkout.path / RUN)
    for free in (0, 40_000, 400_000):
        fill(checkout, free)
        result = checkout.grue("grue_all", *SUITE, check=False)
        assert result.returncode != 0, f"{free} bytes were enough"
        assert "the disk is full" in result.stdout or not free, "what the job's log had room for"
        made = checkout.made(suite="tiny")
        assert made.items() <= right.items()
        assert not any(file.startswith(RUN) for file in made)
    (checkout.path / "results/filler").unlink()
    checkout.grue("grue_all", *SUITE)
    assert checkout.declared(suite="tiny") == right
