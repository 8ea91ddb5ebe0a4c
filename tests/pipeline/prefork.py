"""Runs Snakemake's programs in processes forked from one that has imported Snakemake.

That import takes a second, as long as the plan of a small suite. A fork imports all that is the checkout's own, so it
runs the code that lies there now. As a program, this module reads requests {argv, cwd, environment, out}, one a line,
and answers each with its exit code.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from functools import cache
from pathlib import Path

SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))


def run(argv: list[str], cwd: Path, environment: dict[str, str], out: Path) -> int:
    """The exit code of the Python script argv[0]; its stdout and stderr go to the file `out`."""
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    request = {"argv": argv, "cwd": str(cwd), "environment": environment, "out": str(out)}
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


@cache
def _server() -> subprocess.Popen[str]:
    """Ends when this process does, at the end of its stdin."""
    return subprocess.Popen(
        [sys.executable, __file__],
        env={**os.environ, "PYTHONPATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _serve() -> None:
    import nltk.tokenize  # noqa: F401  # which the check of a suite needs
    import snakemake.api
    import snakemake.cli  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(**json.loads(line))
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(argv: list[str], cwd: str, environment: dict[str, str], out: str) -> None:
    """The rest of this process is the script's."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(1, 2)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = argv
    sys.path[:1] = [str(Path(argv[0]).parent), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    _serve()
