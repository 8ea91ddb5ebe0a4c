"""The command: see the package."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import mutations
from tests.mutations import Mutation
from tests.mutations.contract import CONTRACT
from tests.mutations.groups import GROUPS

ROOT = Path(__file__).resolve().parents[2]
MUTATIONS = CONTRACT + GROUPS


def run(mutated: Mutation) -> str:
    """ "caught", "SURVIVED", or why it could not be tried."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("rl4lms", "tests", "params", "docs/examples"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        path = copy / "rl4lms" / mutated.file
        text = path.read_text(encoding="utf-8")
        if text.count(mutated.old) != 1:
            return f"NOT APPLIED: found {text.count(mutated.old)} times in {mutated.file}"
        path.write_text(text.replace(mutated.old, mutated.new), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-o",
            "addopts=",
            *mutated.tests,
        ]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode == 1:
        return "caught"
    return "SURVIVED" if done.returncode == 0 else f"NOT RUN: {done.stdout.strip().splitlines()[-1:]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(mutations.__doc__ or "").splitlines()[0])
    parser.add_argument("--only", type=lambda text: {int(x) for x in text.split(",")}, help="lines, as in 4,11")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    chosen = [m for m in MUTATIONS if args.only is None or m.line in args.only]
    with ThreadPoolExecutor(args.jobs) as pool:
        outcomes = list(pool.map(run, chosen))
    for mutated, outcome in zip(chosen, outcomes, strict=True):
        print(f"{mutated.line:>3}  {mutated.detail:<48} {outcome}")
    caught = outcomes.count("caught")
    print(f"{caught} of {len(chosen)} mutations caught")
    return int(caught < len(chosen))


if __name__ == "__main__":
    sys.exit(main())
