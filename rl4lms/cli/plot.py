"""`plot`: learning curves of runs, finished or not, as a PNG or SVG; runs that differ by seed only are one line."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from rl4lms.results.curves import BY
from rl4lms.results.run_figure import plot_groups
from rl4lms.results.run_groups import grouped

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        type=Path,
        help="directory of a run; those that differ by seed only are pooled",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("plot.png"), help="a .png or .svg to write (default: %(default)s)"
    )
    parser.add_argument("--by", choices=[*BY], default="iterations", help="what curves go by (default: %(default)s)")
    parser.add_argument(
        "--metric",
        nargs="+",
        default=[],
        metavar="NAME",
        help="reward, kl, or any number that was logged (default: reward, KL and metrics on the validation split)",
    )


def run(args: argparse.Namespace) -> None:
    groups = grouped(args.runs)
    plot_groups(groups, args.by, args.metric).write(args.out)
    log.info("%s: %d runs, %d of them different by more than the seed", args.out, len(args.runs), len(groups))
