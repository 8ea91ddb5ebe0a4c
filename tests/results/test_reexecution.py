"""What a draw proves, when bytes are compared, and how far a value may lie."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from rl4lms.config.labels import task_label
from rl4lms.core.errors import DataError
from rl4lms.results.locked_versions import differing, locked_versions
from rl4lms.results.reexecution import Draw, other_arithmetic, tolerance
from rl4lms.results.release import JobFiles, Release, SuiteCell, metrics_text, readme_digest
from rl4lms.results.worktree import Worktree

ROOT = Path(__file__).resolve().parents[2]
CELLS = [SuiteCell(task, method, seed) for task in ("imdb", "totto") for method in ("ppo", "nlpo") for seed in (0, 1)]
MACHINE = {
    "python": "3.11.7",
    "kernels": "portable",
    "threads": 1,
    "packages": {},
    "cpus": ["AMD A"],
    "devices": ["cpu"],
}


def release_of(**machine: object) -> Release:
    jobs = {f"scores/{cell}": JobFiles("evaluate", ("0" * 64,)) for cell in CELLS}
    return Release(
        "mini", "c" * 40, {}, {**MACHINE, **machine}, {}, None, {"evaluate": ("metrics.json",)}, {}, jobs, {}
    )


@pytest.mark.parametrize(("n_drawn", "n_forged"), [(1, 1), (3, 1), (3, 2), (2, 7), (8, 1), (5, 4)])
def test_the_probability_is_that_of_all_draws_counted(n_drawn: int, n_forged: int) -> None:
    draw = Draw(CELLS[:n_drawn], len(CELLS), seed=0)
    draws = list(itertools.combinations(range(len(CELLS)), n_drawn))
    found = sum(any(i < n_forged for i in each) for each in draws) / len(draws)
    assert math.isclose(draw.probability(n_forged), found)


def test_every_cell_is_drawn_as_often() -> None:
    drawn = [cell for seed in range(800) for cell in Draw.of(["2"], release_of(), seed).cells]
    counts = np.array([drawn.count(cell) for cell in CELLS])
    assert counts.sum() == 1600
    assert np.all(np.abs(counts - 200) < 5 * math.sqrt(200 * 7 / 8))


def test_a_seed_repeats_its_draw_and_names_are_no_draw() -> None:
    assert Draw.of(["3"], release_of(), 7) == Draw.of(["3"], release_of(), 7)
    named = Draw.of(["totto/ppo/1", "totto/ppo/seed1"], release_of(), 7)
    assert named.cells == [SuiteCell("totto", "ppo", 1)]
    assert "named, not drawn" in named.said()
    with pytest.raises(DataError, match="no such cell"):
        Draw.of(["totto/ppo"], release_of(), 7)


@pytest.mark.parametrize(
    ("released", "remade", "said"),
    [
        ({}, {}, ""),
        ({}, {"cpu": "AMD B"}, ""),  # portable kernels: the CPU's model does not matter, but who made it
        ({}, {"cpu": "Intel(R) B"}, "portable kernels of Intel(R) B, released AMD A"),
        ({"cpus": ["AMD A", "Intel(R) B"]}, {}, "portable kernels of AMD A, released AMD A, Intel(R) B"),
        ({}, {"kernels": "native"}, "kernels"),
        ({}, {"threads": 2}, "threads 2, released 1"),
        ({}, {"device": "cuda"}, "devices"),
        ({"devices": ["cuda"]}, {"device": "cuda"}, "not promised"),
        ({"kernels": "native"}, {"kernels": "native"}, ""),
        ({"kernels": "native"}, {"kernels": "native", "cpu": "AMD B"}, "native kernels of AMD B, released AMD A"),
        (
            {"kernels": "native", "cpus": ["AMD A", "AMD B"]},
            {"kernels": "native"},
            "native kernels of AMD A, released AMD A, AMD B",
        ),
    ],
)
def test_bytes_are_compared_where_they_must_be_equal(
    released: dict[str, object], remade: dict[str, object], said: str
) -> None:
    facts = {"kernels": "portable", "threads": 1, "device": "cpu", "cpu": "AMD A"} | remade
    reason = other_arithmetic(release_of(**released), facts)
    assert said in reason
    assert bool(said) == bool(reason)


def test_the_tolerance_by_hand() -> None:
    """Two methods, seeds 0.1 and 0.3, and 0.5 and 0.5: s^2 = 0.02 / 2, so s sqrt 2 = 0.1414; t(.9995, 2) = 31.599."""
    values = {("ppo", 0): 0.1, ("ppo", 1): 0.3, ("nlpo", 0): 0.5, ("nlpo", 1): 0.5}
    rows = {SuiteCell("imdb", method, seed): {"reward": (value, 10)} for (method, seed), value in values.items()}
    assert tolerance(rows, "imdb", "reward") == pytest.approx(31.599 * math.sqrt(0.02), rel=1e-4)
    assert tolerance({cell: row for cell, row in rows.items() if cell.seed == 0}, "imdb", "reward") is None


def test_another_seed_exceeds_the_tolerance_once_in_a_thousand() -> None:
    """Eight methods, two seeds, a third seed of the first method beside its first: 20,000 suites."""
    rng, beyond, n = np.random.default_rng(0), 0, 20_000
    draws = rng.standard_normal((n, 17))
    width = tolerance(
        {SuiteCell("imdb", str(i // 2), i % 2): {"r": (v, 1)} for i, v in enumerate(draws[0, :16])}, "imdb", "r"
    )
    pooled = np.sqrt(((draws[:, 0:16:2] - draws[:, 1:16:2]) ** 2 / 2).mean(axis=1))
    assert width is not None
    beyond = int((np.abs(draws[:, 16] - draws[:, 0]) > width / pooled[0] * pooled).sum())
    # The released value is itself one of those that s is of, so the rate is near MISSED and not MISSED to the digit.
    assert 0.0003 < beyond / n < 0.002


def test_a_cells_metrics_are_written_as_the_stage_writes_them() -> None:
    text = '{\n  "lexical/meteor": 0.1,\n  "diversity_metrics/total_length": 7284.0,\n  "n": 300\n}\n'
    rows = [("lexical/meteor", 0.1, 300), ("diversity_metrics/total_length", 7284.0, 300)]
    assert metrics_text(rows) == text
    assert metrics_text(rows[::-1]) != text


def test_a_readme_and_its_manifest_can_name_each_other() -> None:
    digest = "ab" * 32
    assert readme_digest(f"see `{digest}`", digest) == readme_digest("see ``", "")
    assert readme_digest(f"see. `{digest}`", digest) != readme_digest("see ``", "")


def test_versions_that_differ_are_named() -> None:
    locked = locked_versions("# all\ntorch==2.13.0\nruff==0.1 ; python_version > '3'\nPy_YAML==6.0\n")
    assert locked == {"torch": "2.13.0", "ruff": "0.1", "py-yaml": "6.0"}
    assert differing(locked, {"torch": "2.13.0+cpu", "Py.YAML": "6.0", "numpy": "2.0"}) == []
    assert differing(locked, {"torch": "2.12.0"}) == ["torch is 2.12.0, locked 2.13.0"]


def test_a_suites_own_tasks_are_known_by_their_labels_and_bounds() -> None:
    release = dataclasses.replace(release_of(), suite="study")
    assert Worktree(ROOT, release).bounds_of_own(["imdb", "letter_counting"])["score"]["best"] == 1.0
    assert task_label("letter_counting") == "Letter counting"
