"""A process that forks for jobs: a job has the directory, environment, streams and signals that it would have alone.

The package `rl4lms` that the jobs run is a stub in their working directory, which comes first on their path.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rl4lms.cli import warm
from rl4lms.config.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]

ASK = """
import sys
from rl4lms.cli.warm import run_warm
code = run_warm(sys.argv[1:])
sys.exit(99 if code is None else code)
"""

# A job: `train report FILE CODE`, or `train wait FILE`, which says in FILE that it has begun and how it was ended.
JOB = """
import json, os, signal, sys, time
_, _, what, file, *rest = sys.argv
if what == "report":
    print("out")
    print("err", file=sys.stderr)
    said = {"cwd": os.getcwd(), "argv": sys.argv[1:], "environment": dict(os.environ), "loaded": "torch" in sys.modules,
            "stdin": sys.stdin.read(), "hup": signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, "main": __name__,
            "path": sys.path[0], "process": os.getpid(), "parent": os.getppid()}
    open(file, "w").write(json.dumps(said))
    sys.exit(int(rest[0]))
def end(number, frame):
    open(file + ".ended", "w").write(str(int(number)))
    sys.exit(7)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, end)
try:  # before the file tells that it has begun, so that no signal comes between
    open(file, "w").write(str(os.getpid()))
    time.sleep(60)
except KeyboardInterrupt:
    end(signal.SIGINT, None)
"""


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def started(environment: dict[str, str]) -> tuple[subprocess.Popen[str], str]:
    """A process that has started one that forks, and the socket of that one, which is ready."""
    code = f"import sys; from rl4lms.cli.warm import start; print(start({environment}), flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code]
    starter = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert starter.stdout is not None
    if (place := starter.stdout.readline().strip()) == "None":
        pytest.skip("there is no such process on this machine")
    eventually(Path(place).exists)
    return starter, place


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    """The socket of a process that is ready; it ends with the one that started it."""
    starter, found = started({"OMP_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": "avx2"})
    yield found
    starter.kill()
    eventually(lambda: not Path(found).parent.exists())
    starter.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "job/rl4lms"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(JOB)
    (tmp_path / "ask.py").write_text(ASK)
    return package.parent


def ask(place: str, folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, warm.SOCKET: place, "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **variables}
    return subprocess.Popen(
        [sys.executable, folder.with_name("ask.py"), *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def waiting(place: str, folder: Path) -> tuple[subprocess.Popen[str], int, Path]:
    """(who asked, the job's process, its file) of a job that has begun to wait."""
    file = folder / "begun"
    asking = ask(place, folder, "train", "wait", str(file))
    eventually(lambda: file.exists() and file.read_text())
    return asking, int(file.read_text()), Path(f"{file}.ended")


def test_a_job_has_what_it_would_have_by_itself(place: str, folder: Path) -> None:
    asking = ask(place, folder, "train", "report", "said.json", "3", COLOUR="blue", OMP_NUM_THREADS="5")
    out, err = asking.communicate("from here")
    said = json.loads((folder / "said.json").read_text())
    assert (asking.returncode, out, err) == (3, "out\n", "err\n")
    assert (said["cwd"], said["path"], said["stdin"]) == (str(folder), str(folder), "from here")
    assert (said["main"], said["argv"]) == ("__main__", ["train", "report", "said.json", "3"])
    assert said["environment"]["COLOUR"] == "blue"
    assert said["environment"]["OMP_NUM_THREADS"] == "1", "what torch was imported with"
    assert said["environment"]["ATEN_CPU_CAPABILITY"] == "avx2"
    assert warm.SOCKET not in said["environment"]
    assert said["loaded"], "torch was there"
    assert said["process"] != asking.pid != said["parent"]
    assert not said["hup"]


def test_an_ignored_signal_stays_ignored(place: str, folder: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        asking = ask(place, folder, "train", "report", "said.json", "0")
    finally:
        signal.signal(signal.SIGHUP, before)
    asking.communicate("")
    assert json.loads((folder / "said.json").read_text())["hup"]


def test_the_stages_that_it_takes_are_all_but_those_without_torch() -> None:
    assert set(warm.STAGES) == STAGES.keys() - {"prepare", "aggregate"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_passed_on(place: str, folder: Path, number: signal.Signals) -> None:
    asking, _, ended = waiting(place, folder)
    asking.send_signal(number)
    asking.communicate()
    assert (asking.returncode, ended.read_text()) == (7, str(int(number)))


def test_a_job_that_is_killed_is_seen_to_be(place: str, folder: Path) -> None:
    asking, process, ended = waiting(place, folder)
    os.kill(process, signal.SIGKILL)
    asking.communicate()
    assert asking.returncode == -signal.SIGKILL
    assert not ended.exists()


def test_who_asked_is_killed_and_so_is_the_job(place: str, folder: Path) -> None:
    asking, process, ended = waiting(place, folder)
    assert is_alive(process)
    asking.kill()
    eventually(lambda: not is_alive(process))
    assert not ended.exists()
    asking.communicate()


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["aggregate"], {}),
        (["train"], {"PYTHONHASHSEED": "5"}),
        (["train"], {warm.SOCKET: "/nowhere"}),
        (["train"], {warm.SOCKET: ""}),
    ],
)
def test_others_run_by_themselves(place: str, folder: Path, arguments: list[str], variables: dict[str, str]) -> None:
    asking = ask(place, folder, *arguments, **variables)
    asking.communicate()
    assert asking.returncode == 99


def test_what_is_no_request_does_no_harm(place: str, folder: Path) -> None:
    with warm.socket.socket(warm.socket.AF_UNIX, warm.socket.SOCK_STREAM) as connection:
        connection.connect(place)
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    asking = ask(place, folder, "train", "report", "said.json", "0")
    asking.communicate("")
    assert asking.returncode == 0


def test_it_ends_with_who_started_it_but_not_before_its_jobs(folder: Path) -> None:
    starter, place = started({})
    asking, process, ended = waiting(place, folder)
    starter.kill()
    starter.wait()
    time.sleep(0.2)
    assert is_alive(process)
    asking.terminate()
    asking.communicate()
    assert (asking.returncode, ended.read_text()) == (7, str(int(signal.SIGTERM)))
    eventually(lambda: not Path(place).parent.exists())
