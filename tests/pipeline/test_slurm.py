"""The suite through a real SLURM of one node: the same bytes as without it, also of a job that was preempted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pipeline.checkout import Checkout, shrink
from tests.pipeline.conftest import SUITE
from tests.pipeline.slurm_node import STATUS_OPTIONS, install, one_node

pytestmark = [pytest.mark.system, pytest.mark.skipif(os.geteuid() != 0, reason="SLURM's daemons are started as root")]

SLURM = ("--profile", "workflow/profiles/slurm", *STATUS_OPTIONS)
RUN = "results/tiny/runs/imdb/ppo"


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    install()
    with one_node(tmp_path_factory.mktemp("slurm")):
        yield


def jobs(fields: str) -> list[list[str]]:
    """One list a job of the cluster, whatever became of it, in the order of their ids. fields: squeue's letters."""
    command = ["squeue", "--noheader", "--states=all", "--format", "|".join(f"%{field}" for field in f"i{fields}")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return [fields for _, *fields in sorted((line.split("|") for line in lines), key=lambda job: int(job[0]))]


def wait_for(what: Callable[[], object], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"nothing after {seconds} s"
        time.sleep(0.05)


def start(checkout: Checkout, *options: str, **environment: str) -> subprocess.Popen[bytes]:
    """Snakemake through SLURM in the background; its words are in `snakemake.log`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (checkout.path / "snakemake.log").open("wb") as log:
        return subprocess.Popen(
            ["snakemake", *SLURM, *options],
            cwd=checkout.path,
            env={**os.environ, "PATH": path, "PYTHONPATH": "", **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def test_the_suite_through_slurm_is_the_same_to_the_byte(tiny: Checkout, tmp_path: Path) -> None:
    checkout = Checkout.make(tmp_path / "slurm", stub=False)
    before = len(jobs("T"))
    checkout.run("snakemake", *SLURM, "grue_all", *SUITE)
    assert checkout.declared(suite="tiny") == tiny.declared(suite="tiny")
    assert jobs("T")[before:] == [["COMPLETED"]] * len(checkout.jobs(suite="tiny"))


def test_a_preempted_training_goes_on_and_ends_in_the_same_bytes(tiny: Checkout) -> None:
    """SLURM ends the job after its first checkpoint and queues it again, as it does for a job of more priority."""
    before = tiny.declared(suite="tiny")
    shutil.rmtree(tiny.path / RUN)
    n_jobs = len(jobs("T"))
    snakemake = start(tiny, *SUITE, "--", f"{RUN}/seed0/model/model.safetensors")
    wait_for(lambda: list(tiny.path.glob(f"{RUN}/.seed0.work/checkpoints/0*")))
    subprocess.run(["scontrol", "requeue", str(n_jobs + 1)], check=True)
    assert snakemake.wait(600) == 0, (tiny.path / "snakemake.log").read_text()
    assert len(jobs("T")) == n_jobs + 1, "the job itself was queued again, not a new one"
    assert "resumed after iteration" in (tiny.path / "results/tiny/logs/train/imdb_ppo_seed0.log").read_text()
    tiny.grue("grue_all", *SUITE)
    assert tiny.declared(suite="tiny") == before


def test_a_job_that_needs_more_memory_gets_it_at_its_next_attempt(tmp_path: Path) -> None:
    """The Snakemake of a job takes 200 MB by itself. HOLD: the first attempt lives until SLURM ends it."""
    checkout = Checkout.make(tmp_path / "memory")
    shrink(checkout, "imdb")
    checkout.set_param("resources.yaml", "prepare.mem_mb", 140)
    n_jobs = len(jobs("T"))
    snakemake = start(checkout, "--", "results/mini/data/imdb/summary.json", HOLD="prepare imdb")
    wait_for(lambda: len(jobs("T")) == n_jobs + 2)
    (checkout.path / "go").touch()
    assert snakemake.wait(300) == 0, (checkout.path / "snakemake.log").read_text()
    (first, first_memory), (second, second_memory) = jobs("Tm")[n_jobs:]
    assert first in ("FAILED", "OUT_OF_MEMORY", "CANCELLED")
    assert (first_memory, second, second_memory) == ("140M", "COMPLETED", "280M")
