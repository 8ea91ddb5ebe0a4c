"""`verify`: does a released suite hold? Digests and tables always; cells that are drawn or named are made again.

Prints what was checked, and a line for each finding; exit code 1 if there is any.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

from rl4lms.config.compose import methods
from rl4lms.config.params_schema import STARTS
from rl4lms.core.errors import ConfigError, RunError
from rl4lms.core.io import sha256_file
from rl4lms.core.manifest import MANIFEST_FILE
from rl4lms.results.reexecution import (
    Draw,
    check_curves,
    compare_bytes,
    compare_values,
    manifests_of,
    other_arithmetic,
)
from rl4lms.results.release import README, Release
from rl4lms.results.release_checks import (
    Rows,
    check_cells,
    check_dvc_lock,
    check_files,
    check_members,
    check_results,
    read_scores,
)
from rl4lms.results.released_tables import Definitions, check_tables
from rl4lms.results.worktree import Worktree, dvc_lock_of, repository_of, worktree

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="of a released suite, with its manifest.json: docs/results")
    parser.add_argument(
        "--cells",
        nargs="+",
        default=["0"],
        metavar="CELL",
        help="make again so many cells, or <task>/<method>/<seed> ...",
    )
    parser.add_argument("--seed", type=int, help="of the draw of cells (default: one that nobody can foresee, printed)")
    parser.add_argument("--results", type=Path, help="check the files of results/<suite> as well, where they lie")
    parser.add_argument("--work", type=Path, help="where cells are made again, and stay: the next time goes on from it")
    parser.add_argument("--env", type=Path, help="use, or make, the environment of the release's commit there")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    if args.cores < 1:
        raise ConfigError(f"--cores {args.cores}: expected a whole number of at least 1.")
    release = Release.read(args.folder / MANIFEST_FILE)
    repository = repository_of(args.folder, release.commit)
    draw = Draw.of(args.cells, release, secrets.randbelow(10**9) if args.seed is None else args.seed)
    log.info("%s: suite %s of commit %s, %d cells", args.folder, release.suite, release.commit[:12], len(release.cells))
    with worktree(repository, release, args.work) as tree:
        rows = read_scores(args.folder)
        _report(args.folder, [*check_files(args.folder, release), *check_cells(rows, release)])
        log.info("files: %d released files; each cell's rows of scores.csv are its metrics", len(release.files))
        main_metrics = _check_tables(args.folder, tree, rows)
        _check_commit(args.folder, tree, dvc_lock_of(repository, release))
        if args.results is not None:
            _check_results(args, tree)
        if draw.cells:
            _make_again(args, tree, draw, rows, main_metrics)
        else:
            log.info("no cell was made again: a forgery that contradicts nothing would not be found (--cells)")
    log.info("%s: holds.", args.folder)


def _report(folder: Path, findings: Iterable[str]) -> None:
    """Print each finding and raise RunError if there is one: what contradicts itself needs no cell made again."""
    found = list(findings)
    for line in found:
        print(f"{folder}: {line}")
    if found:
        raise RunError(f"{folder}: does not hold, {len(found)} finding{'s' if len(found) > 1 else ''}.")


def _check_commit(folder: Path, tree: Worktree, dvc_lock: str | None) -> None:
    release, numbers = tree.release, tree.params_file("grue.yaml")
    all_methods = methods(numbers["algs"], numbers["baselines"], numbers.get("starts", STARTS))
    _report(
        folder,
        [
            *check_members(release, numbers, all_methods),
            *tree.check_lock(),
            *check_dvc_lock(dvc_lock, folder, release),
            *tree.check_recipes(),
        ],
    )
    recorded = "the tables are those of dvc.lock" if release.dvc_lock else "no dvc.lock records the suite"
    log.info("commit: its suite, locked versions and %d recipes are the manifest's; %s", len(release.recipes), recorded)


def _check_tables(folder: Path, tree: Worktree, rows: Rows) -> dict[str, str]:
    """Returns the tasks' main metrics."""
    numbers = tree.params_file("grue.yaml")
    main_metrics = {t: tree.params_file(f"tasks/{t}.yaml")["evaluation"]["main_metric"] for t in numbers["tasks"]}
    definitions = Definitions.of(numbers, main_metrics, tree.bounds_of_own(main_metrics))
    tables = check_tables(folder, rows, definitions)
    _report(folder, tables.findings)
    log.info(
        "tables: %d numbers follow from scores.csv; %d (intervals of averages, p-values) are made again by --results",
        tables.checked,
        tables.unchecked,
    )
    return main_metrics


def _check_results(args: argparse.Namespace, tree: Worktree) -> None:
    """The files of every job, and the tables and plots made again of them."""
    n, findings = check_results(args.results, tree.release)
    _report(args.folder, findings)
    log.info("results: %d files of %d jobs", n, len(tree.release.jobs))
    out = tree.path.parent / f"tables-{tree.release.commit[:12]}"
    read = [f"--{name}={(args.results / name).absolute()}" for name in ("runs", "scores")]
    python = tree.interpreter(args.env)
    tree.run(
        python, "-m", "rl4lms", "aggregate", "--suite", tree.release.suite, *read, "--out", str(out), log=_log(tree)
    )
    names = [name for name in tree.release.files if name != README]
    differing = [name for name in names if sha256_file(out / name) != tree.release.files[name]]
    _report(args.folder, (f"{name}: not what the results give, made again by aggregate" for name in differing))
    log.info("tables and plots made again of the results: %d files, equal bytes", len(names))


def _make_again(args: argparse.Namespace, tree: Worktree, draw: Draw, rows: Rows, main_metrics: dict[str, str]) -> None:
    release, names = tree.release, ", ".join(map(str, draw.cells))
    log.info("%s: %s", "named" if draw.seed is None else f"drawn with seed {draw.seed}", names)
    python, began = tree.interpreter(args.env), time.monotonic()
    place = f"results/{release.suite}"
    targets = [f"{place}/scores/{cell}/{name}" for cell in draw.cells for name in release.outputs["evaluate"]]
    log.info("making them again in %s (log: %s)", tree.path, _log(tree))
    tree.make(python, targets, args.cores, _log(tree))
    results = tree.path / place
    differing = {reason for facts in manifests_of(results, draw.cells) if (reason := other_arithmetic(release, facts))}
    took = f"made again in {time.monotonic() - began:.0f} s"
    if differing:
        said, findings = compare_values(results, draw.cells, rows, main_metrics)
        log.info("%s; values compared, for bytes need not be equal: %s", took, "; ".join(sorted(differing)))
        for line in said:
            log.info("%s", line)
        _report(args.folder, findings)
    else:
        n, findings = compare_bytes(results, release, draw.cells, rows)
        log.info(
            "%s; bytes compared: %d files, same kernels (%s), threads, packages", took, n, release.machine["kernels"]
        )
        _report(args.folder, [*findings, *check_curves(args.folder, results, draw.cells)])
    log.info("%s", draw.said())


def _log(tree: Worktree) -> Path:
    return tree.path.parent / "verify.log"
