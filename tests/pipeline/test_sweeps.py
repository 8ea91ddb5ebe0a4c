"""The sweep of docs/sweeps.md, as it is typed, over stages that cost nothing: queued, run by a worker, compared."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from rl4lms.config.yaml_file import load_yaml
from tests.pipeline.checkout import Checkout, shrink
from tests.pipeline.test_docs_commands import blocks, said

pytestmark = pytest.mark.slow

POINTS = {"clip-1": 0.1, "clip-2": 0.3}
PATIENCE = 900  # seconds that a worker on a busy machine may take
FILE = "params/algs/ppo.yaml"


def wait_for(checkout: Checkout, names: set[str]) -> dict[str, str]:
    """Experiment -> its commit, once the worker has finished all of these. DVC keeps them under refs/exps."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        lines = checkout.run("git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").stdout.split("\n")
        done = {line.rpartition("/")[2]: line.split()[0] for line in lines if line.count("/") > 3}
        if names <= done.keys():
            return done
        time.sleep(1)
    raise AssertionError(f"after {PATIENCE} s the queue says:\n{checkout.run('dvc', 'queue', 'status').stdout}")


def test_the_sweep_is_one_command_and_a_worker_runs_it(tmp_path: Path) -> None:
    checkout = Checkout.make(tmp_path)
    shrink(checkout, "imdb", algs=["ppo"])
    checkout.commit("The project")
    checkout.run("dvc", "repro", "--quiet")
    checkout.commit("The benchmark")
    commands = next(
        lines for before, lines in blocks("sweeps.md") if before.rstrip().endswith("One command queues it:")
    )
    queue, start, status, show = commands
    assert queue.startswith("dvc exp run --queue") and start.startswith("dvc queue start")
    assert said(checkout, queue).count("Queued experiment") == len(POINTS)
    said(checkout, start)
    commits = wait_for(checkout, set(POINTS))
    assert said(checkout, status).count("Success") == len(POINTS)
    table = said(checkout, show).splitlines()
    seen = set()
    for name, value in POINTS.items():
        text = checkout.run("git", "show", f"{commits[name]}:{FILE}").stdout
        (tmp_path / ".point.yaml").write_text(text)
        assert load_yaml(tmp_path / ".point.yaml")["args"]["clip_range"] == value
        at = table.index(next(line for line in table if line.split()[:1] == [name]))
        assert table[at + 1].strip() == f"ppo clip_range={value}"
        scores = tuple(table[at].split()[1:])
        assert len(scores) >= 2, "of PPO, from the base model and from the warm start"
        seen.add(scores)
    assert len(seen) == len(POINTS), "a point of the sweep did not change the scores"
    (tmp_path / ".point.yaml").unlink()
    clean = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert clean.stdout == "", "the sweep has changed the checkout"
