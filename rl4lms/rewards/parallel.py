"""Calls a reward function in worker processes, for scores that take long on the CPU (`env.n_reward_workers`).

A worker is a new interpreter that receives the reward function by cloudpickle. So a class that is defined in the user's
script works, and the script is not imported again. Nothing is forked, because a child would inherit threads, locks and
device contexts. The results are in the order of the calls and equal to those without workers.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import subprocess
import sys
import time
import traceback
import weakref
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from rl4lms.core.errors import RunError, UserError, message_of
from rl4lms.core.guard import guarded, name_of
from rl4lms.core.kernels import THREADS
from rl4lms.core.signals import children_without_ctrl_c
from rl4lms.rewards.base import RewardFunction, finite_reward
from rl4lms.rewards.guard import reward_call, timed_out

_CHUNKS_PER_WORKER = 4  # several, so that other workers are not idle while one scores a slow text
Call = tuple[Any, ...]


class _SharingPickler(cloudpickle.Pickler):
    """Pickles a shared object as its number."""

    def __init__(self, file: io.BytesIO, shared: Sequence[Any]) -> None:
        super().__init__(file)
        self._places = {id(item): place for place, item in enumerate(shared)}

    def persistent_id(self, obj: Any) -> int | None:
        return self._places.get(id(obj))


class _SharingUnpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, shared: Sequence[Any]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, pid: int) -> Any:
        return self._shared[pid]


def is_copyable(reward_fn: Any) -> bool:
    """Whether a reward may be sent to other processes. A batched one may not: it has a model, or needs its batch."""
    return isinstance(reward_fn, RewardFunction) and not reward_fn.in_parent


def _dump(value: Any, shared: Sequence[Any] = ()) -> bytes:
    file = io.BytesIO()
    _SharingPickler(file, shared).dump(value)
    return file.getvalue()


class _Worker:
    """One process and the parent's end of its pipe."""

    def __init__(self, payload: bytes) -> None:
        self.connection, child = Pipe()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path)}
        environment |= dict.fromkeys(THREADS, "1")  # one thread each, because the workers run in parallel
        try:
            command = [sys.executable, "-m", __spec__.name, str(child.fileno())]
            with children_without_ctrl_c():
                self.process = subprocess.Popen(
                    command, pass_fds=[child.fileno()], env=environment, stdin=subprocess.DEVNULL
                )
        finally:
            child.close()
        self.connection.send_bytes(payload)
        self._started = False

    def send(self, message: bytes) -> None:
        """Send calls. The first time, wait until the worker has loaded the function, so that only calls are timed."""
        if not self._started:
            _values(self.connection.recv_bytes())
            self._started = True
        self.connection.send_bytes(message)

    def stop(self) -> None:
        self.connection.close()  # at the end of its pipe the worker exits
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _stop(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.stop()
    workers.clear()


class ParallelReward:
    """Maps a reward function over calls in n_workers processes. Use it as a context manager, or call `close`.

    With n_workers <= 1, or for a function that must not be copied (`is_copyable`), the calls are made in this process.

    shared: objects that all calls refer to (a tokenizer), which are sent only once. timeout_s: the time limit of a
    call; a worker that takes longer is killed.
    """

    def __init__(
        self, reward_fn: Any, n_workers: int, shared: Sequence[Any] = (), timeout_s: float | None = None
    ) -> None:
        self._reward_fn, self._timeout_s = reward_fn, timeout_s
        self._shared = tuple(shared)
        self._workers: list[_Worker] = []
        if n_workers > 1 and is_copyable(reward_fn):
            payload = _sendable((reward_fn, self._shared), (), reward_fn)
            self._finalizer = weakref.finalize(self, _stop, self._workers)
            self._workers += [_Worker(payload) for _ in range(n_workers)]

    def map(self, calls: Sequence[Call]) -> list[float]:
        """reward_fn(*call) for each call, in order, as finite Python floats.

        Raises RunError if the function raises (with the worker's traceback as a note), if a result is not finite, or if
        a worker dies or takes too long. A UserError of the function stays as it is. After an error the workers are
        closed.
        """
        values = self._in_workers(calls) if self._workers else [self._here(call) for call in calls]
        return [finite_reward(value, self._reward_fn, f"episode {i} of the batch") for i, value in enumerate(values)]

    def _here(self, call: Call) -> Any:
        with reward_call(self._reward_fn, self._timeout_s):
            return self._reward_fn(*call)

    def _in_workers(self, calls: Sequence[Call]) -> list[Any]:
        size = max(1, math.ceil(len(calls) / (_CHUNKS_PER_WORKER * len(self._workers))))
        waiting = iter([(start, list(calls[start : start + size])) for start in range(0, len(calls), size)])
        results: dict[int, list[Any]] = {}
        busy: dict[Any, _Worker] = {}
        try:
            for worker in self._workers:
                self._send_next(worker, waiting, busy)
            started = dict.fromkeys(busy, time.monotonic())
            while busy:
                for connection in self._answered(busy, started, size):
                    worker = busy.pop(connection)
                    start, outcome = _receive(worker, self._reward_fn)
                    results[start] = outcome
                    self._send_next(worker, waiting, busy)
                    started[connection] = time.monotonic()
        except BaseException:
            self.close()
            raise
        return [value for start in sorted(results) for value in results[start]]

    def _answered(self, busy: dict[Any, _Worker], started: dict[Any, float], n_calls: int) -> list[Any]:
        """Wait for answers, and return the connections that have one. Raises RunError if a worker takes too long."""
        if self._timeout_s is None:
            return wait(list(busy))
        limit_s = self._timeout_s * n_calls
        oldest = min(busy, key=started.__getitem__)
        ready = wait(list(busy), max(started[oldest] + limit_s - time.monotonic(), 0.0))
        if not ready:
            for worker in busy.values():
                worker.process.kill()
            raise RunError(timed_out(self._reward_fn, self._timeout_s))
        return ready

    def _send_next(self, worker: _Worker, waiting: Iterator[tuple[int, list[Call]]], busy: dict[Any, _Worker]) -> None:
        task = next(waiting, None)
        if task is not None:
            calls = _sendable(task, self._shared, self._reward_fn)
            try:
                worker.send(calls)
            except (EOFError, ConnectionError):
                raise _ended(worker, self._reward_fn) from None
            busy[worker.connection] = worker

    def close(self) -> None:
        _stop(self._workers)

    def __enter__(self) -> ParallelReward:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _sendable(value: Any, shared: Sequence[Any], reward_fn: object) -> bytes:
    """`value` pickled. Raises RunError if it cannot be pickled."""
    try:
        return _dump(value, shared)
    except Exception as error:  # methods of the pickled objects may raise anything
        raise RunError(
            f"reward {name_of(reward_fn)} cannot be sent to worker processes ({message_of(error)}). Set "
            "env.n_reward_workers to 1, or in_parent = True on its class."
        ) from error


def _receive(worker: _Worker, reward_fn: object) -> tuple[int, list[Any]]:
    try:
        answer = worker.connection.recv_bytes()
    except (EOFError, ConnectionError):
        raise _ended(worker, reward_fn) from None
    return _values(answer)


def _values(answer: bytes) -> tuple[int, list[Any]]:
    """(start, values) from a worker's answer. If the answer is an error, raise it with the worker's traceback."""
    start, values, error, trace = pickle.loads(answer)
    if error is not None:
        error.add_note(f"In a reward worker:\n{trace}")
        raise error
    return start, values


def _ended(worker: _Worker, reward_fn: object) -> RunError:
    return RunError(
        f"reward {name_of(reward_fn)}: a worker process ended with exit code {worker.process.wait()}. The same "
        "command goes on from the last checkpoint; is there memory for env.n_reward_workers of them?"
    )


def _reply(start: int, values: list[Any], error: UserError | None = None) -> bytes:
    trace = "".join(traceback.format_exception(error)) if error else ""
    try:
        reply = _dump((start, values, error, trace))
        pickle.loads(reply)
        return reply
    except Exception as reason:  # an error or result that cannot be pickled is sent as a message
        return _dump((start, [], RunError(message_of(error or reason)), trace))


def _answer(reward_fn: Any, shared: Sequence[Any], calls: bytes) -> bytes:
    start = 0
    try:
        with reward_call(reward_fn):  # unpickling the calls may run a user's code, too
            start, arguments = _SharingUnpickler(io.BytesIO(calls), shared).load()
            return _reply(start, [reward_fn(*each) for each in arguments])
    except UserError as error:
        return _reply(start, [], error)


def _serve(connection: Connection) -> None:
    """The worker's loop: receive the function and the shared objects, then answer calls until the pipe is closed."""
    try:
        payload = connection.recv_bytes()
        try:
            with guarded("reward in a worker process"):
                reward_fn, shared = pickle.loads(payload)
        except UserError as error:
            connection.send_bytes(_reply(0, [], error))
            return
        connection.send_bytes(_reply(0, []))
        while True:
            connection.send_bytes(_answer(reward_fn, shared, connection.recv_bytes()))
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
