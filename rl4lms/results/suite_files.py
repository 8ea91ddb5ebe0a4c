"""The tables and figures of a suite as files, whether its runs or its released slices tell of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from rl4lms.core import progress
from rl4lms.core.io import write_text
from rl4lms.results import figures
from rl4lms.results.normalised_gains import SuiteStatistics
from rl4lms.results.scores import SuiteScores
from rl4lms.results.statistics_figures import statistics_figure
from rl4lms.results.table import Table
from rl4lms.results.table_formats import method_csv, to_csv
from rl4lms.results.tables import grue_tables
from rl4lms.results.training_facts import training_tables

FIGURES = (figures.summary, figures.learning_curves, figures.kl_reward)


def suite_tables(scores: SuiteScores, statistics: SuiteStatistics, gains: pd.DataFrame) -> list[Table]:
    """All tables of a suite. gains: of `rl4lms.results.gains`, tests over samples; none of them may be known."""
    return [*grue_tables(scores, statistics, gains), *training_tables(scores, scores.trainings.facts)]


def write_suite(folder: Path, scores: SuiteScores, statistics: SuiteStatistics, tables: list[Table]) -> None:
    """Write the csv files of the scores of methods and of their comparison, and the figures, into `folder`."""
    frames = {
        "statistics": statistics.estimates,
        "contrasts": statistics.contrasts,
        "pairs": statistics.pairs,
        "profiles": statistics.profiles,
        "training": scores.trainings.facts,
    }
    for name, frame in frames.items():
        write_text(folder / f"{name}.csv", to_csv(frame))
    write_text(folder / "grue.csv", method_csv(tables, scores.settings.methods))
    progress.phase("figures")
    for draw in FIGURES:
        (folder / f"{draw.__name__}.png").write_bytes(draw(scores).png())
    (folder / "statistics.png").write_bytes(statistics_figure(statistics, scores.settings).png())
