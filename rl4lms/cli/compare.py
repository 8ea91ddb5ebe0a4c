"""`compare`: what differs between two finished runs, their scores, and which differences of score are real."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rl4lms.core.errors import ConfigError
from rl4lms.results.comparison import compared
from rl4lms.results.run_directory import SPLITS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name in ("a", "b"):
        parser.add_argument(f"run_{name}", metavar=f"RUN_{name.upper()}", type=Path, help="directory of a finished run")
    parser.add_argument("--split", choices=SPLITS, help="whose scores (default: test where both have it, else val)")
    parser.add_argument(
        "--flips", type=int, default=10_000, help="patterns of signs of the test (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of these patterns (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="for machines, with nothing left out")


def run(args: argparse.Namespace) -> None:
    if args.flips < 1:
        raise ConfigError(f"--flips {args.flips}: expected a whole number of at least 1.")
    found = compared(args.run_a, args.run_b, args.split, n_flips=args.flips, seed=args.seed)
    print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if args.json else str(found).rstrip("\n"))
