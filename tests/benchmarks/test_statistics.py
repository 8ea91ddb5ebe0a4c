"""The commands behind the claims on statistics: they run, and what they simulate is what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import statistics, vs_rliable
from benchmarks.statistics import Components, false_findings, power, seed_splits
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.suite import Contrast, SuiteSettings

TASKS = ("imdb", "common_gen", "totto", "iwslt2017")
METHODS = ("supervised_ppo", "supervised_nlpo", "supervised_grpo")
RUN, SEED = np.array([0.1, 0.3, 0.5, 1.0]), np.array([0.0, 0.2, 0.4, 0.8])
COMPONENTS = Components(METHODS, np.arange(12.0).reshape(3, 4), RUN, SEED)


@pytest.fixture
def settings() -> SuiteSettings:
    contrasts = tuple(Contrast(name, name, "supervised", "Does it gain?") for name in METHODS)
    return SuiteSettings(
        "mini", TASKS, ("supervised", *METHODS), (0, 1), {}, {}, (), 1000, 0.95, 0, contrasts=contrasts
    )  # fmt: skip


def test_components_are_those_that_made_the_runs() -> None:
    means = dict(zip(METHODS, COMPONENTS.means, strict=True))
    gains = COMPONENTS.simulated(2000, numpy_generator("components"), means)
    fitted = Components.fitted(gains)
    assert fitted.methods == METHODS
    assert fitted.run == pytest.approx(RUN, rel=0.05)
    assert fitted.seed == pytest.approx(SEED, abs=0.05)
    assert fitted.means == pytest.approx(COMPONENTS.means, abs=0.1)


def test_families_without_a_difference_have_few_findings(settings: SuiteSettings) -> None:
    """200 families of three tests: the standard error is 0.015, and 0.009 of a single test's rate."""
    for row in false_findings(COMPONENTS, settings, 200, tasks_differ=False):
        assert float(row[1]) <= 0.095 and 0.01 <= float(row[2]) <= 0.08, row


@pytest.mark.slow
def test_what_is_planted_is_found(settings: SuiteSettings) -> None:
    rows = {int(n): float(found) for n, _, found in power(COMPONENTS, settings, 150)}
    assert rows.keys() == set(statistics.SEEDS)
    assert all(0.65 <= found <= 0.95 for found in rows.values()), rows


def test_halves_of_one_method(settings: SuiteSettings) -> None:
    gains = COMPONENTS.simulated(4, numpy_generator("splits"), {})
    rows = list(seed_splits(gains, 500))
    assert [row[1] for row in rows] == ["3"] * 3, "of four seeds three halves, and none of the warm start's zeros"


def test_the_command_prints_its_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert statistics.main(["--families", "2"]) == 0
    said = capsys.readouterr().out
    for title in ("Coverage", "No method differs", "Power", "Halves of the seeds"):
        assert title in said
    few = tmp_path / "scores.csv"
    lines = statistics.ROOT.joinpath("docs/results/scores.csv").read_text().splitlines()
    few.write_text("\n".join(line for line in lines if ",1,test," not in line))
    assert statistics.main(["--scores", str(few)]) == 2
    assert "1 seeds: expected at least two of each" in capsys.readouterr().err


def test_without_rliable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vs_rliable.main(["--rliable-python", str(tmp_path / "python")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --rliable-python: no Python at {tmp_path}/python; make it with: python3.11 -m venv")
    assert '"rliable==1.2.0"' in line
