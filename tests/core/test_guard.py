from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from typing import Any

import pytest

from rl4lms.core.errors import DataError, RunError, report_error
from rl4lms.core.guard import copied, guarded
from rl4lms.core.registry import Registry


class OfMyOwn(BaseException):
    pass


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


def throw(error: BaseException, what: str = "reward toxic") -> None:
    with guarded(what):
        raise error


def interrupted() -> None:
    with guarded("metric m"):
        signal.raise_signal(signal.SIGINT)
        time.sleep(5)


ENDS = [
    SystemExit(0),
    SystemExit("bye"),
    GeneratorExit(),
    KeyboardInterrupt(),
    StopIteration(),
    asyncio.CancelledError(),
    OfMyOwn("and why"),
    ZeroDivisionError("of what?\nof that"),
    RecursionError(),
]


@pytest.mark.parametrize("error", ENDS, ids=lambda error: type(error).__name__)
def test_whatever_is_raised_is_a_run_error_of_the_component(error: BaseException) -> None:
    with pytest.raises(RunError, match=f"^reward toxic: raised {type(error).__name__}.*, at test_guard.py, line") as e:
        throw(error)
    assert e.value.__cause__ is error
    assert "\n" not in str(e.value)


def test_an_error_that_cannot_say_what_it_is_is_told_by_its_kind() -> None:
    with pytest.raises(RunError, match="metric odd: raised Speechless .its message cannot be read., at test_guard"):
        throw(Speechless(), "metric odd")


def test_what_a_user_can_act_on_and_what_a_signal_says_pass() -> None:
    with pytest.raises(DataError, match=r"^row 3$"):
        throw(DataError("row 3"))
    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_a_full_memory_keeps_its_way_out() -> None:
    with pytest.raises(RunError, match="metric m: out of memory .*; lower a batch size, at test_guard.py"):
        throw(MemoryError(), "metric m")


@pytest.mark.parametrize(("how", "code"), [("exit", 3), ("return", 1), ("raise", 1)])
def test_a_process_that_a_component_forks_does_not_go_on_as_the_run(how: str, code: int, capfd: Any) -> None:
    statuses = []

    def call() -> None:
        with guarded("reward forks"):
            child = os.fork()
            if child == 0:
                if how == "exit":
                    sys.exit(3)
                if how == "raise":
                    raise ZeroDivisionError
                return
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    if how == "exit":
        call()
    else:
        with pytest.raises(RunError, match="reward forks: a process that it forked returned from the call"):
            call()
    assert statuses == [code]
    call_again = guarded("reward forks")
    with call_again:
        pass


def test_code_of_the_users_outside_of_a_guarded_call_is_named_by_its_line(capsys: Any) -> None:
    class Policy:
        def __getattr__(self, name: str) -> Any:
            sys.exit(0)

    with pytest.raises(SystemExit) as left:
        Registry("policy", Policy())  # type: ignore[arg-type]  # ours calls the user's
    assert report_error(left.value) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert "Policy.__getattr__: raised SystemExit (0), at test_guard.py, line" in said


def test_an_exit_that_nobody_but_python_asked_for_passes() -> None:
    with pytest.raises(SystemExit) as left:
        argparse.ArgumentParser().parse_args(["--unknown"])
    with pytest.raises(SystemExit) as reported:
        report_error(left.value)
    assert reported.value is left.value


def test_copies_share_nothing_that_a_component_could_change() -> None:
    given = {"texts": ["a", ["b"]], "table": ({"cell": 1},), "lock": open(os.devnull)}  # noqa: SIM115
    with given["lock"]:  # type: ignore[attr-defined]
        taken = copied(given)
        assert taken == given and taken["lock"] is given["lock"]
        taken["texts"][1].append("c")
        taken["table"][0]["cell"] = 2
    assert given["texts"] == ["a", ["b"]] and given["table"] == ({"cell": 1},)
