"""One writer a directory, with locks of the system and without; none survives its process in a child."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest

from rl4lms.core.errors import RunError
from rl4lms.core.locks import OWNER, locked
from rl4lms.core.work_directory import work_directory

HOLD = """
import os, sys, time
from rl4lms.core import locks
if sys.argv[2] == "none":
    def flock(*_):
        raise OSError(37, "No locks available")
    locks.fcntl.flock = flock
with locks.locked(sys.argv[1]) as is_ours:
    child = os.fork() if sys.argv[3] == "fork" else 1
    if child == 0:
        time.sleep(60)
    print(is_ours, child, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: Any) -> NoReturn:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)


def holding(directory: Path, locks: str, fork: str = "") -> tuple[subprocess.Popen[str], list[str]]:
    command = [sys.executable, "-c", HOLD, str(directory), locks, fork]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().split()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(tmp_path: Path) -> None:
    process, (is_ours, child) = holding(tmp_path, "system", "fork")
    try:
        with locked(tmp_path) as free:
            assert is_ours == "True" and not free
        kill_alone(process)
        deadline = time.monotonic() + 20  # the child may not have run yet
        free = False
        while not free and time.monotonic() < deadline:
            with locked(tmp_path) as free:
                pass
        assert free
    finally:
        os.kill(int(child), signal.SIGKILL)
        process.communicate()


def kill_alone(process: subprocess.Popen[str]) -> None:
    """Without waiting for its output, which a child of its own holds open."""
    process.kill()
    process.wait()


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_living_owner_is_respected_and_a_dead_one_taken_over(tmp_path: Path) -> None:
    process, (is_ours, _) = holding(tmp_path, "none")
    assert is_ours == "True"
    said = f"another process is writing this run; .*process {process.pid} on "
    with pytest.raises(RunError, match=said), work_directory(tmp_path, {}, ()):
        pass
    kill(process)
    with locked(tmp_path) as free, locked(tmp_path) as again:
        assert free and not again
        assert json.loads((tmp_path / OWNER).read_text())["pid"] == os.getpid()
    assert not (tmp_path / OWNER).exists()


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize(("host", "is_free"), [(platform.node(), True), ("another", False)])
def test_the_number_of_a_dead_process_may_be_anothers_by_now(tmp_path: Path, host: str, is_free: bool) -> None:
    (tmp_path / OWNER).write_text(json.dumps({"host": host, "pid": os.getpid(), "started": "before the last boot 1"}))
    with locked(tmp_path) as free:
        assert free == is_free
    assert (tmp_path / OWNER).exists() != is_free


@pytest.mark.usefixtures("no_locks")
def test_an_owner_on_another_host_is_one_line_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / OWNER).write_text(json.dumps({"host": "node7", "pid": 12, "started": None}))
    with (
        pytest.raises(
            RunError, match=f"process 12 on node7 by {tmp_path / OWNER}; .* delete the file and give the same"
        ),
        work_directory(tmp_path, {}, ()),
    ):
        pass
    (tmp_path / OWNER).unlink()
    with work_directory(tmp_path, {"seed": 1}, ()) as path:
        (path / "rollout_info.jsonl").write_text("{}\n")
    with work_directory(tmp_path, {"seed": 2}, ()) as path:
        assert {p.name for p in path.iterdir()} == {OWNER, ".run.json"}
    assert not list(tmp_path.parent.glob(f"{tmp_path.name}*/{OWNER}"))


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 3}'])
def test_an_owner_file_that_cannot_be_read_is_somebodys(tmp_path: Path, text: str) -> None:
    (tmp_path / OWNER).write_text(text)
    started = time.monotonic()
    with locked(tmp_path) as free:
        assert not free
    assert time.monotonic() - started < 5 and (tmp_path / OWNER).read_text() == text


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("where", ["open", "link"])
def test_killed_while_it_makes_its_owner_file_it_leaves_none_that_stays(tmp_path: Path, where: str) -> None:
    code = f"""
import os, sys
from pathlib import Path
from rl4lms.core import locks
def flock(*_):
    raise OSError(37, "No locks available")
def die(*_):
    os._exit(9)
locks.fcntl.flock = flock
if {where!r} == "link":
    os.link = die
else:
    locks.json.dumps = die
with locks.locked(sys.argv[1]):
    pass
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    with locked(tmp_path) as free:
        assert free
