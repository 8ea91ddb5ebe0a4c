"""`recipes`: the digests of code and numbers that the jobs of a suite depend on, as files for DVC."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from rl4lms.config.params import Params
from rl4lms.config.recipes import jobs, recipe
from rl4lms.core.io import write_json

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suite", help="params/ overlaid by params/suites/SUITE/ (default: grue.yaml's suite)")
    parser.add_argument("--params-dir", type=Path, default=Path("params"), help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, help="directory of the recipes; others in it are removed")


def run(args: argparse.Namespace) -> None:
    params = Params.open(args.params_dir, args.suite)
    written = set()
    for job in jobs(params):
        path = args.out / job.file
        write_json(path, recipe(params, job.stage, **job.names))
        written.add(path)
    for path in set(args.out.rglob("*.json")) - written:
        path.unlink()
    log.info("recipes of %d jobs in %s", len(written), args.out)
