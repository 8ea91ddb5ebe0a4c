"""A process that has imported torch and transformers, and forks for each job of a grid on one machine.

The imports are a third of what a short training takes, and two thirds of an evaluation. `workflow/Snakefile` starts
such a process (`start`) and names its socket in the environment; `python -m rl4lms` hands its job over there
(`run_warm`): arguments, working directory, environment and standard streams. Nothing is computed before the fork, and
the child imports the library's own code anew, so a job gives the bytes that it would give by itself.

The process that handed a job over stands for it: it passes signals on, ends as the job ends, and where it is killed, so
is the job. Where there is no such process, or another Python or other paths, a job runs by itself. Linux without an
accelerator only. Nothing here imports rl4lms, for it would be older than the job.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import random
import runpy
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SOCKET = "RL4LMS_WARM"  # the environment variable that names it
STAGES = ("base-model", "reward-model", "supervised", "train", "evaluate")  # the others import no torch
IMPORTED = (
    "torch",
    "transformers.integrations.hub_kernels",  # through which every model imports torch.distributed.tensor and sympy
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "stable_baselines3",
)
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NUMBER = struct.Struct("!q")
_SECONDS = 30  # that a request may take to arrive
_MAX_BYTES = 2**26  # of a request: arguments and environment
_ACCELERATORS = ("nvidia[0-9]*", "kfd", "davinci[0-9]*")  # below /dev: of NVIDIA, AMD and Ascend
_KILLED_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Request:
    """A job. facts: of its Python, as `facts`; heeded: those of PASSED_ON that it was not started to ignore."""

    facts: list[str]
    arguments: list[str]
    cwd: str
    environment: dict[str, str]
    heeded: list[int]


def facts() -> list[str]:
    """Of this process, what must be equal in the one that forks for it."""
    variables = [os.environ.get(name, "") for name in ("PYTHONPATH", "PYTHONHASHSEED")]
    return [sys.executable, sys.prefix, sys.version, repr(sys.flags), *variables]


def start(environment: Mapping[str, str]) -> str | None:
    """Start such a process, which ends with this one. Returns the path of its socket; None where there is none.

    environment: of the jobs, what libraries read when they are imported: kernels, threads, how much they say.
    """
    if sys.platform != "linux" or any(found for name in _ACCELERATORS for found in Path("/dev").glob(name)):
        return None  # an import may ask the driver what is there, and a fork of a process that did cannot use it
    place = Path(tempfile.mkdtemp(prefix="rl4lms-"), "warm")
    command = [sys.executable, "-m", "rl4lms.cli.warm", str(place), json.dumps(dict(environment))]
    # This process keeps its end of the pipe as long as it lives, however it ends.
    silent: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.Popen(command, start_new_session=True, **silent)
    return str(place)


def run_warm(arguments: Sequence[str]) -> int | None:
    """Run a command in a fork of the process that SOCKET names. Returns its exit code; None where it is not taken.

    A job that a signal ended ends this process by the same signal.
    """
    place = os.environ.get(SOCKET)
    if not place or not any(word in STAGES for word in arguments):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SECONDS)
        heeded = [number for number in PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        try:
            connection.connect(place)
            job = _asked(connection, arguments, heeded)
            for number in heeded if job else ():
                signal.signal(number, lambda number, frame: _send_signal(job, number))
        except (OSError, ValueError):
            return None  # a job that was begun all the same ends with the connection
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)  # what came meanwhile arrives here
        if not job:
            return None
        connection.settimeout(None)
        code = _outcome(connection)
    if code < 0:
        if code != -signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _asked(connection: socket.socket, arguments: Sequence[str], heeded: Sequence[int]) -> int:
    """Hand a job over. Returns its process; 0 where it is refused."""
    request = Request(facts(), list(arguments), os.getcwd(), dict(os.environ), [int(number) for number in heeded])
    content = json.dumps(asdict(request)).encode()
    socket.send_fds(connection, [_NUMBER.pack(len(content))], [0, 1, 2])
    connection.sendall(content)
    return _number(connection)


def _outcome(connection: socket.socket) -> int:
    """How the job ended: its exit code, or its signal as a number below 0. Without the other process it was killed."""
    try:
        return _number(connection)
    except (OSError, ValueError):
        return -signal.SIGKILL


def _number(connection: socket.socket) -> int:
    """Raises ValueError where the connection ends before."""
    found = b""
    while len(found) < _NUMBER.size:
        if not (more := connection.recv(_NUMBER.size - len(found))):
            raise ValueError("the connection has ended")
        found += more
    return int(_NUMBER.unpack(found)[0])


def _send_signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


class Forks:
    """Listens at a socket and forks a child for each request, of which it keeps the connection that it came by."""

    def __init__(self, place: Path) -> None:
        self.process, self.facts = os.getpid(), facts()
        self.connections: dict[int, socket.socket] = {}  # child -> who asked for it
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(place))
        self.listener.listen(128)
        self.woken, waker = socket.socketpair()
        waker.setblocking(False)
        self.waker = waker
        signal.set_wakeup_fd(waker.fileno())
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # so that the end of a child wakes the selector
        for source in (self.listener, self.woken, sys.stdin):
            self.selector.register(source, selectors.EVENT_READ)

    def serve(self) -> Request | None:
        """Serve until standard input has ended and no child is left. Returns None then, and in a child its request."""
        is_wanted = True
        while is_wanted or self.connections:
            for key, _ in self.selector.select():
                if key.fileobj is sys.stdin:
                    self.selector.unregister(sys.stdin)
                    is_wanted = False
                elif key.fileobj is self.woken:
                    self.woken.recv(4096)
                    self.reap()
                elif key.fileobj is self.listener:
                    connection, _ = self.listener.accept()
                    if (request := self.take(connection)) is not None:
                        return request
                elif key.data in self.connections:  # who asked for it is gone, and says nothing else
                    self.selector.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGKILL)
        return None

    def take(self, connection: socket.socket) -> Request | None:
        """Fork for a request. Returns it in the child; None in this process, which answers with the child's number."""
        streams: list[int] = []
        connection.settimeout(_SECONDS)
        try:
            head, streams, _, _ = socket.recv_fds(connection, _NUMBER.size, 3)
            (n_bytes,) = _NUMBER.unpack(head)
            if not 0 < n_bytes <= _MAX_BYTES:
                raise ValueError("no request")
            request = Request(**json.loads(connection.makefile("rb").read(n_bytes)))
            is_taken = request.facts == self.facts and len(streams) == 3
            child = os.fork() if is_taken else 0
            if is_taken and child == 0:
                self.leave(connection, streams)
                return request
            if child:
                self.connections[child] = connection
                self.selector.register(connection, selectors.EVENT_READ, child)
            connection.sendall(_NUMBER.pack(child))
        except (OSError, ValueError, TypeError, struct.error):
            pass  # who asked is gone, which ends a child that there is, or never was one of ours
        for descriptor in streams:
            os.close(descriptor)
        return None

    def reap(self) -> None:
        """Answer for each child that has ended: its exit code, or its signal as a number below 0."""
        while self.connections:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            connection = self.connections.pop(child)
            with contextlib.suppress(KeyError):
                self.selector.unregister(connection)
            with contextlib.suppress(OSError), connection:
                connection.sendall(_NUMBER.pack(os.waitstatus_to_exitcode(status)))

    def leave(self, connection: socket.socket, streams: Sequence[int]) -> None:
        """In a child: take the streams of the request in place of what is open here, and die with the parent."""
        try:
            ctypes.CDLL(None).prctl(_KILLED_WITH_PARENT, int(signal.SIGKILL))
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.selector.close()
            for each in (connection, self.listener, self.woken, self.waker, *self.connections.values()):
                each.close()
            for descriptor, stream in enumerate(streams):
                os.dup2(stream, descriptor)
                os.close(stream)
        except BaseException:
            os._exit(1)
        if os.getppid() != self.process:
            os._exit(1)


def become(request: Request, settled: Mapping[str, str]) -> None:
    """Run the request in this process, as if it had just been started for it, but for what is imported."""
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.environment)
    os.environ.update(settled)
    del os.environ[SOCKET]
    for number in PASSED_ON:
        signal.signal(number, signal.SIG_DFL if number in request.heeded else signal.SIG_IGN)
    if signal.SIGINT in request.heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in sys.modules if name.partition(".")[0] == "rl4lms"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    random.seed()
    if not sys.flags.safe_path:
        sys.path[0] = request.cwd
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    sys.argv = ["rl4lms", *request.arguments]
    runpy.run_module("rl4lms", run_name="__main__", alter_sys=True)


def main(place: Path, settled: Mapping[str, str]) -> None:
    """Import, listen, and fork, until the process that started this one is gone and its jobs are done."""
    os.environ.update(settled)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are for the jobs, and reach them through who asked for them
    for name in IMPORTED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    request = None
    if len(os.listdir("/proc/self/task")) == 1:  # a thread would not be there in the child
        gc.collect()
        gc.freeze()
        request = Forks(place).serve()
    if request is not None:
        become(request, settled)
    else:
        shutil.rmtree(place.parent, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
