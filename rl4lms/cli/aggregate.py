"""`aggregate`: the tables, plots and report of a suite, from what its runs and their evaluation left behind.

Reads results/<suite>/runs and results/<suite>/scores; imports neither torch nor transformers. A run that is missing is
an error that names it.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from rl4lms.config.compose import ZERO_SHOT, algorithm_of, methods
from rl4lms.config.params import Params
from rl4lms.config.stages import stage_params
from rl4lms.core import progress
from rl4lms.core.io import read_json, write_json, write_text
from rl4lms.core.manifest import MANIFEST_FILE, build_manifest
from rl4lms.core.seals import check_seals
from rl4lms.core.work_directory import input_digests, publish_directory
from rl4lms.results import curves as curve_files
from rl4lms.results import plots, scores
from rl4lms.results.averages import task_average
from rl4lms.results.comparisons import reward_comparisons, supervised_comparisons, tasks_where
from rl4lms.results.consistency import check_identity, check_values
from rl4lms.results.curves import Curve, curve_rows, read_curves
from rl4lms.results.report import report
from rl4lms.results.report_configuration import Configuration
from rl4lms.results.scores import RunScores, SuiteScores, to_csv
from rl4lms.results.suite import SuiteSettings
from rl4lms.results.table import Table
from rl4lms.results.table_formats import comparison_csv, latex, markdown, markdown_table, method_csv
from rl4lms.results.tables import grue_tables

log = logging.getLogger(__name__)

SIGNIFICANCE = ("reward_gain", "supervised_gain")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=Path, help="directory of the runs, <task>/<method>/seed<k>")
    parser.add_argument("--scores", type=Path, help="directory of their scores, <task>/<method>/seed<k>")
    parser.add_argument("--out", type=Path, help="directory of the tables, plots and report")


def run(args: argparse.Namespace) -> None:
    params: Params = args.params
    settings = SuiteSettings.from_params(params)
    progress.phase("reading scores")
    check_seals([args.scores, *args.runs.glob("*/*/seed*/*.json*")])
    suite_scores = SuiteScores.read(args.scores, settings)
    for run in suite_scores.runs.values():
        check_run(run, params, args.runs / run.task / run.method / f"seed{run.seed}")
    curves = read_curves(args.runs, settings)
    tables = write(args.out, suite_scores, curves, configuration(params, args.runs))
    manifest = build_manifest(
        seed=settings.bootstrap_seed,
        device="cpu",
        inputs=input_digests(read_files(args.runs, args.scores, settings)),
        stage="aggregate",
        suite=params.suite,
        params=stage_params(params, "aggregate"),
    )
    write_json(args.out / MANIFEST_FILE, manifest)
    log.info("%s", markdown_table(tables[0]))
    log.info("Report: %s", args.out / "report.html")


def read_files(runs: Path, scores_dir: Path, settings: SuiteSettings) -> list[Path]:
    """What the tables and plots are made of."""
    files = []
    for each in (f"{t}/{m}/seed{s}" for t in settings.tasks for m in settings.methods for s in settings.seeds):
        files += [runs / each / name for name in ("config.json", "rollout_info.jsonl", "val_split_metrics.jsonl")]
        files += [scores_dir / each / name for name in ("metrics.json", f"{scores.SPLIT}_predictions.json")]
    return files


def check_run(run: RunScores, params: Params, trained: Path) -> None:
    """Raises DataError where the files of a run do not agree, or are another run's."""
    line_path = run.directory / f"{scores.SPLIT}_split_metrics.jsonl"
    check_values(run.directory / "metrics.json", run.metrics, run.line["metrics"], line_path)
    named = {"task": run.task, "method": run.method, "seed": run.seed}
    check_identity(line_path, run.line, named)
    for path in (run.directory / MANIFEST_FILE, trained / MANIFEST_FILE):
        if path.is_file():
            check_identity(path, read_json(path), named)
    if (path := trained / "config.json").is_file():
        config, algorithm = read_json(path), algorithm_of(run.method)
        check_identity(path, config, {"seed": run.seed})
        check_identity(path, config["alg"], {"id": "supervised" if algorithm is None else params.alg(algorithm)["id"]})


def write(
    out: Path, suite_scores: SuiteScores, curves: Sequence[Curve], shown_configuration: Configuration
) -> list[Table]:
    """Write everything into `out`, or nothing. Returns the tables."""
    settings = suite_scores.settings
    progress.phase("tables")
    tables = grue_tables(suite_scores)
    with publish_directory(out) as scratch:
        write_json(scratch / "metrics.json", headline(suite_scores))
        write_text(scratch / "scores.csv", to_csv(suite_scores.rows(), scores.COLUMNS))
        write_text(scratch / "curves.csv", to_csv(curve_rows(curves), curve_files.COLUMNS))
        write_text(scratch / "significance.csv", comparison_csv([t for t in tables if t.key in SIGNIFICANCE]))
        write_text(scratch / "grue.csv", method_csv(tables, settings.methods))
        write_text(scratch / "grue.md", markdown(tables, f"GRUE, suite {settings.suite}"))
        write_text(scratch / "grue.tex", latex(tables))
        progress.phase("plots")
        for name, png in draw(suite_scores, curves).items():
            (scratch / f"{name}.png").write_bytes(png)
        progress.phase("report")
        write_text(scratch / "report.html", report(suite_scores, tables, curves, shown_configuration))
    return tables


def draw(suite_scores: SuiteScores, curves: Sequence[Curve]) -> dict[str, bytes]:
    """name -> PNG."""
    return {
        "summary": plots.summary(suite_scores),
        "learning_curves": plots.learning_curves(suite_scores, curves),
        "kl_reward": plots.kl_reward(suite_scores, curves),
    }


def headline(suite_scores: SuiteScores) -> dict[str, float]:
    """The few numbers that are compared between experiments: each method's average, and on how many tasks it worked."""
    settings = suite_scores.settings
    numbers: dict[str, float] = {f"score_{m}": round(task_average(suite_scores, m).mean, 6) for m in settings.methods}
    supervised = tasks_where(supervised_comparisons(suite_scores), settings.tasks, significant=False)
    rewarded = tasks_where(reward_comparisons(suite_scores), settings.tasks, significant=True)
    return {**numbers, "tasks_supervised_better": len(supervised), "tasks_rl_raises_reward": len(rewarded)}


def configuration(params: Params, runs: Path) -> Configuration:
    """What the report shows: this stage's params, and config.json of every trained run."""
    grue = params.grue()
    trained = [method for method in methods(grue["algs"]) if method != ZERO_SHOT]
    return Configuration(
        params=stage_params(params, "aggregate"),
        runs={
            (task, method, seed): read_json(runs / task / method / f"seed{seed}" / "config.json")
            for task, method, seed in product(grue["tasks"], trained, grue["seeds"])
        },
    )
