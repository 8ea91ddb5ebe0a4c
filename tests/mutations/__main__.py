"""The command: see the package."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests import mutations
from tests.mutations import Mutation
from tests.mutations.contract import CONTRACT
from tests.mutations.groups import GROUPS

ROOT = Path(__file__).resolve().parents[2]
MUTATIONS = CONTRACT + GROUPS
OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-o", "addopts=")
OURS = ("rl4lms", "tests")  # packages that a test imports from the copy


def import_libraries() -> None:
    """Import what no mutation changes, with the tests' kernels, so that each fork has it already."""
    from rl4lms.core.kernels import environment

    os.environ.update(environment(n_threads=1))
    import pytest  # noqa: F401
    import stable_baselines3  # noqa: F401
    import transformers  # noqa: F401


def mutated_copy(mutated: Mutation, copy: Path) -> str:
    """Copy what the tests need to `copy`, with the mutation. Returns why that could not be done, or ""."""
    for name in (*OURS, "params", "docs/examples"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    path = copy / "rl4lms" / mutated.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(mutated.old, mutated.new), encoding="utf-8")
    found = text.count(mutated.old)
    return "" if found == 1 else f"NOT APPLIED: found {found} times in {mutated.file}"


def run_tests(mutated: Mutation, copy: Path) -> int:
    """The process id of a fork that runs the tests in `copy`; their output goes to the file `output` there."""
    if (pid := os.fork()) != 0:
        return pid
    os.dup2(os.open(copy / "output", os.O_WRONLY | os.O_CREAT), 1)
    os.dup2(1, 2)
    os.chdir(copy)
    sys.path[:] = [str(copy), *(entry for entry in sys.path if entry and Path(entry).resolve() != ROOT)]
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    import pytest

    code = pytest.main([*OPTIONS, *mutated.tests])
    sys.stdout.flush()
    os._exit(int(code))


def outcome_of(code: int, output: Path) -> str:
    last = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    return {0: "SURVIVED", 1: "caught"}.get(code, f"NOT RUN: {last}")


def outcomes(chosen: Sequence[Mutation], n_jobs: int) -> Iterator[tuple[Mutation, str]]:
    """Each mutation with "caught", "SURVIVED", or why it could not be tried, as they end."""
    running: dict[int, tuple[Mutation, tempfile.TemporaryDirectory[str]]] = {}
    waiting = list(reversed(chosen))
    while waiting or running:
        if waiting and len(running) < n_jobs:
            mutated, folder = waiting.pop(), tempfile.TemporaryDirectory()
            if wrong := mutated_copy(mutated, Path(folder.name)):
                yield mutated, wrong
            else:
                running[run_tests(mutated, Path(folder.name))] = mutated, folder
            continue
        pid, status = os.wait()
        mutated, folder = running.pop(pid)
        with folder:
            yield mutated, outcome_of(os.waitstatus_to_exitcode(status), Path(folder.name) / "output")


def main() -> int:
    parser = argparse.ArgumentParser(description=(mutations.__doc__ or "").splitlines()[0])
    parser.add_argument("--only", type=lambda text: {int(x) for x in text.split(",")}, help="lines, as in 4,11")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    chosen = [m for m in MUTATIONS if args.only is None or m.line in args.only]
    import_libraries()
    n_caught = 0
    for mutated, outcome in outcomes(chosen, args.jobs):
        print(f"{mutated.line:>3}  {mutated.detail:<60} {outcome}", flush=True)
        n_caught += outcome == "caught"
    print(f"{n_caught} of {len(chosen)} mutations caught")
    return int(n_caught < len(chosen))


if __name__ == "__main__":
    sys.exit(main())
