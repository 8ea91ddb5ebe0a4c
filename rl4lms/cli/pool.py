"""`pool`: the tables, statistics and figures of several released suites together, as of one.

The suite that they are slices of says what is compared: its constants, its order and its primary contrasts.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from rl4lms.config.params import Params
from rl4lms.core.io import sha256_file, write_text
from rl4lms.core.manifest import MANIFEST_FILE
from rl4lms.core.work_directory import publish_directory
from rl4lms.results import gains
from rl4lms.results.normalised_gains import SuiteStatistics
from rl4lms.results.pooled import PooledScores, pooled_scores
from rl4lms.results.release import README, Release
from rl4lms.results.suite import SuiteSettings
from rl4lms.results.suite_files import FIGURES, suite_tables, write_suite
from rl4lms.results.table import Table
from rl4lms.results.table_formats import markdown

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("releases", metavar="RELEASE", nargs="+", type=Path, help="folder of a released suite")
    parser.add_argument("--suite", required=True, help="the suite of params/ that the releases are slices of")
    parser.add_argument("--params-dir", type=Path, default=Path("params"), help="default: %(default)s")
    parser.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help="these alone (default: all there are)")
    parser.add_argument("--methods", nargs="+", default=[], metavar="METHOD", help="these alone")
    parser.add_argument("--out", type=Path, required=True, help="directory to write")


def run(args: argparse.Namespace) -> None:
    settings = SuiteSettings.from_params(Params.open(args.params_dir, args.suite))
    scores = pooled_scores(args.releases, settings, args.tasks, args.methods)
    statistics = SuiteStatistics.of(scores.frame, scores.settings)
    untested = gains.suite_gains(scores).head(0)  # without scores per sample there is no test over them
    tables = suite_tables(scores, statistics, untested)
    with publish_directory(args.out) as scratch:
        write_text(scratch / README, readme(scores, tables, args.releases))
        write_suite(scratch, scores, statistics, tables)
    parts = f"{len(scores.settings.tasks)} tasks, {len(scores.settings.methods)} methods, {len(scores.runs)} cells"
    log.info("%s: %d releases, %s", args.out, len(args.releases), parts)


def readme(scores: PooledScores, tables: Sequence[Table], folders: Sequence[Path]) -> str:
    """What was pooled, and its tables."""
    suite, lines = scores.settings.suite, []
    for folder in folders:
        release = Release.read(folder / MANIFEST_FILE)
        digest = sha256_file(folder / MANIFEST_FILE)
        lines.append(f"| `{folder}` | {len(release.cells)} | `{release.commit[:12]}` | `{digest}` |")
    plots = "\n\n".join(f"![{name}]({name}.png)" for name in (*(draw.__name__ for draw in FIGURES), "statistics"))
    listed = "\n".join(lines)
    return f"""# The suite `{suite}`, of its released slices

`python -m rl4lms pool` made this of what is released; every number is computed again by giving the command again, and
each slice is checked, and its cells made again, by `python -m rl4lms verify`. What must be said beside a metric, and
tests over samples, stand in the slices' own tables.

| slice | cells | commit | sha256 of its manifest |
|---|---|---|---|
{listed}

{plots}

{markdown(tables, f"GRUE, suite {suite}, pooled").strip()}
"""
