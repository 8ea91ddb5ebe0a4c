"""`compare`: what differs between two finished runs, or methods of several seeds, and which differences are real."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rl4lms.core.errors import ConfigError
from rl4lms.results.comparison import Comparison, compared
from rl4lms.results.method_comparison import compared_methods
from rl4lms.results.method_comparison_text import MethodComparisons
from rl4lms.results.run_directory import SPLITS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", type=Path, help="directory of a finished run: two, or any number of --against"
    )
    parser.add_argument(
        "--against",
        metavar="RUN",
        nargs="+",
        type=Path,
        default=[],
        help="compare methods: the seeds of each method among the runs against those of this one",
    )
    parser.add_argument("--split", choices=SPLITS, help="whose scores (default: test where both have it, else val)")
    parser.add_argument(
        "--flips", type=int, default=10_000, help="patterns of signs of the test (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of these patterns (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="for machines, with nothing left out")


def run(args: argparse.Namespace) -> None:
    if args.flips < 1:
        raise ConfigError(f"--flips {args.flips}: expected a whole number of at least 1.")
    found = _found(args)
    print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if args.json else str(found).rstrip("\n"))


def _found(args: argparse.Namespace) -> Comparison | MethodComparisons:
    if args.against:
        return MethodComparisons(
            compared_methods(args.runs, args.against, args.split, n_flips=args.flips, seed=args.seed)
        )
    if len(args.runs) != 2:
        n = "1 run" if len(args.runs) == 1 else f"{len(args.runs)} runs"
        raise ConfigError(f"compare: {n}; expected two, or --against RUN ... for methods of several seeds.")
    a, b = args.runs
    return compared(a, b, args.split, n_flips=args.flips, seed=args.seed)
