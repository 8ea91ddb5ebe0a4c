"""`aggregate`: the tables, figures and report of a suite, from what its runs and their evaluation left behind.

Reads results/<suite>/runs and results/<suite>/scores; imports neither torch nor transformers. A run that is missing is
an error that names it.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from rl4lms.config.compose import BASELINES, ZERO_SHOT, algorithm_of
from rl4lms.config.params import Params
from rl4lms.config.stages import stage_params
from rl4lms.core import progress
from rl4lms.core.io import read_json, write_json, write_text
from rl4lms.core.manifest import MANIFEST_FILE, build_manifest
from rl4lms.core.result_keys import SPLIT
from rl4lms.core.seals import check_seals
from rl4lms.core.work_directory import input_digests, publish_directory
from rl4lms.results import gains
from rl4lms.results.averages import task_average
from rl4lms.results.consistency import check_identity
from rl4lms.results.normalised_gains import SuiteStatistics
from rl4lms.results.report import report
from rl4lms.results.scores import SuiteScores
from rl4lms.results.suite import RunKey, SuiteSettings
from rl4lms.results.suite_files import suite_tables, write_suite
from rl4lms.results.table import Table
from rl4lms.results.table_formats import latex, markdown, markdown_table, to_csv

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=Path, help="directory of the runs, <task>/<method>/seed<k>")
    parser.add_argument("--scores", type=Path, help="directory of their scores, <task>/<method>/seed<k>")
    parser.add_argument("--out", type=Path, help="directory of the tables, figures and report")


def run(args: argparse.Namespace) -> None:
    params: Params = args.params
    settings = SuiteSettings.from_params(params)
    progress.phase("reading scores")
    check_seals([args.scores, *args.runs.glob("*/*/seed*/*.json*")])
    scores = SuiteScores.read(args.scores, settings, args.runs)
    check_manifests(scores, params)
    shown = stage_params(params, "aggregate")
    tables = write(args.out, scores, shown)
    manifest = build_manifest(
        seed=settings.bootstrap_seed,
        device="cpu",
        inputs=input_digests(read_files(scores)),
        stage="aggregate",
        suite=params.suite,
        params=shown,
    )
    write_json(args.out / MANIFEST_FILE, manifest)
    log.info("%s", markdown_table(tables[0]))
    log.info("Report: %s", args.out / "report.html")


def read_files(scores: SuiteScores) -> list[Path]:
    """What the tables and figures are made of."""
    files = []
    for run in (each.directory for each in scores.runs.values()):
        logs = ("rollout_info.jsonl", "training_info.jsonl", "val_split_metrics.jsonl")
        files += [run.run / name for name in ("config.json", *logs)]
        files += [run.scores / name for name in ("metrics.json", f"{SPLIT}_predictions.json")]
    return files


def check_manifests(scores: SuiteScores, params: Params) -> None:
    """Raises DataError where what lies beside the scores of a run is of another run."""
    for (task, method, seed), run in scores.runs.items():
        for path in (run.directory.scores / MANIFEST_FILE, run.directory.run / MANIFEST_FILE):
            if path.is_file():
                check_identity(path, read_json(path), {"task": task, "method": method, "seed": seed})
        if config := run.directory.config:
            path, algorithm = run.directory.run / "config.json", algorithm_of(method)
            check_identity(path, config, {"seed": seed})
            expected = "supervised" if algorithm is None else params.alg(algorithm)["id"]
            check_identity(path, config["alg"], {"id": expected})


def write(out: Path, scores: SuiteScores, params: Mapping[str, Any]) -> list[Table]:
    """Write everything into `out`, or nothing. Returns the tables. params: what the report shows of them."""
    settings = scores.settings
    progress.phase("tables")
    found = gains.suite_gains(scores)
    statistics = SuiteStatistics.of(scores.frame, settings)
    tables = suite_tables(scores, statistics, found)
    with publish_directory(out) as scratch:
        write_json(scratch / "metrics.json", headline(scores, found))
        write_text(scratch / "scores.csv", to_csv(scores.frame))
        write_text(scratch / "curves.csv", to_csv(scores.curves))
        write_text(scratch / "significance.csv", to_csv(found, gains.COLUMNS))
        write_text(scratch / "grue.md", markdown(tables, f"GRUE, suite {settings.suite}"))
        write_text(scratch / "grue.tex", latex(tables))
        write_suite(scratch, scores, statistics, tables)
        progress.phase("report")
        html = report(scores, statistics, tables, params, configurations(scores))
        write_text(scratch / "report.html", html)
    return tables


def headline(scores: SuiteScores, found: pd.DataFrame) -> dict[str, float]:
    """The few numbers that are compared between experiments: each method's average, and on how many tasks it worked."""
    methods = scores.settings.methods
    numbers: dict[str, float] = {f"score_{m}": round(task_average(scores, m).mean, 6) for m in methods}
    supervised = gains.tasks_where(found, gains.SUPERVISED_GAIN, "better")
    rewarded = gains.tasks_where(found, gains.REWARD_GAIN, "significant")
    return {**numbers, "tasks_supervised_better": len(supervised), "tasks_rl_raises_reward": len(rewarded)}


def configurations(scores: SuiteScores) -> dict[RunKey, dict[str, Any]]:
    """config.json of every trained run of the seeds shown."""
    shown = ((key, run) for key, run in scores.runs.items() if key[2] in scores.settings.shown_seeds)
    trained = {key: run.directory.run for key, run in shown if key[1] not in (ZERO_SHOT, *BASELINES)}
    return {key: read_json(directory / "config.json") for key, directory in trained.items()}
