"""`compare`: what differs between two finished runs, their scores, and which differences of score are real."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rl4lms.core.errors import ConfigError
from rl4lms.results.comparison_text import Comparison
from rl4lms.results.differences import differences
from rl4lms.results.run_directory import SPLITS, RunDirectory
from rl4lms.results.score_differences import common_split, score_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name in ("a", "b"):
        parser.add_argument(f"run_{name}", metavar=f"RUN_{name.upper()}", type=Path, help="directory of a finished run")
    parser.add_argument("--split", choices=SPLITS, help="whose scores (default: test where both have it, else val)")
    parser.add_argument("--resamples", type=int, default=10_000, help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="for machines, with nothing left out")


def run(args: argparse.Namespace) -> None:
    if args.resamples < 1:
        raise ConfigError(f"--resamples {args.resamples}: expected a whole number of at least 1.")
    found = compared(args.run_a, args.run_b, args.split, n_resamples=args.resamples, seed=args.seed)
    print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if args.json else str(found).rstrip("\n"))


def compared(
    path_a: Path, path_b: Path, split: str | None = None, *, n_resamples: int = 10_000, seed: int = 0
) -> Comparison:
    """The comparison of the runs in two directories, by the scores of a split; None is test if both have it, or val."""
    a, b = RunDirectory.open(path_a), RunDirectory.open(path_b)
    split = common_split(a, b, split)
    scores = None if split is None else score_table(a, b, split, n_resamples=n_resamples, seed=seed)
    return Comparison(str(path_a), str(path_b), differences(a, b), scores)
