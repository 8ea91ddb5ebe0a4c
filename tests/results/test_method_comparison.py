"""`python -m rl4lms compare A ... --against B ...`: methods of several seeds, by hand and as it is printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rl4lms
from rl4lms.cli.main import main
from rl4lms.results.method_comparison import MethodComparison, MethodDifference, compared_methods

from .two_runs import BLEU, CONFIG, MANIFEST, METEOR, put, rows_of, shared_scores

MakeMethod = Callable[..., list[Path]]


@pytest.fixture
def make_method(tmp_path: Path) -> MakeMethod:
    """make(method, gains of its seeds, ...) -> the scores' directories of its runs."""

    def make(
        method: str,
        gains: Sequence[float],
        *,
        first: int = 0,
        task: str = "common_gen",
        n: int = 40,
        noise: float = 0.0,
    ) -> list[Path]:
        runs = []
        for seed, gain in enumerate(gains, first):
            run = tmp_path / f"results/tiny/runs/{task}/{method}/seed{seed}"
            scores = tmp_path / f"results/tiny/scores/{task}/{method}/seed{seed}"
            own = noise * np.random.default_rng([seed, len(method)]).standard_normal(n)
            values = shared_scores(n) + gain + own - own.mean()
            put(run / "config.json", CONFIG | {"seed": seed, "alg": {"id": method}})
            put(run / "manifest.json", MANIFEST | {"method": method, "seed": seed, "task": task})
            metrics = {METEOR: float(values.mean()), BLEU: 0.3, "kl/per_token": 0.1 + gain}
            put(scores / "metrics.json", {**metrics, "n": n})
            put(scores / "test_split_metrics.jsonl", {"epoch": 1, "metrics": metrics, "means": [METEOR]})
            put(scores / "test_predictions.json", rows_of(values))
            runs.append(run)
        return runs

    return make


def only(found: list[MethodComparison], metric: str) -> MethodDifference:
    (comparison,) = found
    return next(row for row in comparison.rows if row.metric == metric)


def test_two_seeds_are_paired_and_nothing_is_claimed_of_methods(make_method: MakeMethod) -> None:
    a, b = make_method("nlpo", [0.05, 0.07], noise=0.01), make_method("ppo", [0.0, 0.04], noise=0.01)
    found = compared_methods(a, b)
    assert (found[0].paired, found[0].n_paired, found[0].a, found[0].b) == ((0, 1), 40, "NLPO", "PPO")
    row, base = only(found, METEOR), float(shared_scores(40).mean())
    assert (row.a.mean, row.a.low, row.a.high) == pytest.approx((base + 0.06, base + 0.05, base + 0.07))
    assert row.a.kind == "range"
    assert row.difference is not None and row.difference.kind == "range"
    # A - B of seed 0 is 0.05, of seed 1 0.03; every run of A is above every run of B.
    assert (row.difference.mean, row.difference.low, row.difference.high) == pytest.approx((0.04, 0.03, 0.05))
    assert row.higher == 1.0
    assert row.samples is not None and row.samples.n == 40 and row.samples.difference == pytest.approx(0.04)
    assert row.models_verdict == "a higher"
    assert (row.seeds, row.seeds_p, row.detectable, row.methods_verdict) == (None, None, None, "")


def test_differences_per_sample_are_means_over_the_common_seeds(make_method: MakeMethod) -> None:
    a, b = make_method("nlpo", [0.05, 0.07, 0.5], noise=0.02), make_method("ppo", [0.0, 0.04], noise=0.02)
    found = compared_methods(a, b)
    assert found[0].paired == (0, 1) and found[0].seeds_a == (0, 1, 2), "seed 2 has no partner"
    scores = [[row[METEOR] for row in json.loads(_predictions(run).read_text())] for run in [*a[:2], *b]]
    gaps = np.mean(np.array(scores[:2]) - np.array(scores[2:]), axis=0)
    test = only(found, METEOR).samples
    assert test is not None
    half = 2.0226909 * gaps.std(ddof=1) / np.sqrt(40)
    assert (test.low, test.high) == pytest.approx((gaps.mean() - half, gaps.mean() + half))


def _predictions(run: Path) -> Path:
    return Path(str(run).replace("/runs/", "/scores/")) / "test_predictions.json"


@pytest.mark.parametrize(("n", "smallest", "verdict"), [(5, 2 / 2**5, "no"), (8, 2 / 2**8, "a higher")])
def test_from_five_seeds_methods_are_tested_over_seeds(
    n: int, smallest: float, verdict: str, make_method: MakeMethod
) -> None:
    gains = [0.05 + 0.01 * (k % 3) for k in range(n)]
    row = only(compared_methods(make_method("nlpo", gains), make_method("ppo", [0.0] * n)), METEOR)
    assert row.seeds is not None and row.seeds.p == pytest.approx(smallest), "every difference has one sign"
    assert row.methods_verdict == verdict
    assert row.difference is not None and row.difference.kind == "t"
    assert (row.detectable is None) == (n == 5)


def test_equal_methods_are_not_told_apart(make_method: MakeMethod) -> None:
    a, b = make_method("nlpo", [0.01, -0.01] * 4, noise=0.05), make_method("ppo", [-0.01, 0.01] * 4, noise=0.05)
    row = only(compared_methods(a, b), METEOR)
    assert (row.models_verdict, row.methods_verdict) == ("no", "no")
    assert row.higher == pytest.approx(0.5, abs=0.2)


def test_without_a_common_seed_nothing_is_paired(make_method: MakeMethod) -> None:
    found = compared_methods(make_method("nlpo", [0.1, 0.1]), make_method("ppo", [0.0, 0.0], first=7))
    row = only(found, METEOR)
    assert (found[0].paired, found[0].n_paired, row.difference, row.samples) == ((), 0, None, None)
    assert row.higher == 1.0


def test_several_methods_and_tasks_each_against_the_baseline_of_its_task(make_method: MakeMethod) -> None:
    runs = [
        run for task in ("imdb", "totto") for m in ("nlpo", "trpo") for run in make_method(m, [0.1, 0.1], task=task)
    ]
    base = [run for task in ("imdb", "totto") for run in make_method("ppo", [0.0, 0.0], task=task)]
    assert [(each.task, each.a, each.b) for each in compared_methods(runs, base)] == [
        ("imdb", "NLPO", "PPO"), ("imdb", "TRPO", "PPO"), ("totto", "NLPO", "PPO"), ("totto", "TRPO", "PPO"),
    ]  # fmt: skip


def compare(capsys: pytest.CaptureFixture[str], *arguments: Path | str) -> str:
    assert main(["compare", *map(str, arguments), "--flips", "500"]) == 0
    return capsys.readouterr().out


def test_as_it_is_printed(make_method: MakeMethod, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = make_method("nlpo", [0.05, 0.07], noise=0.01), make_method("ppo", [0.0, 0.04], noise=0.01)
    lines = compare(capsys, *a, "--against", *b).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[:3] == [
        "A  NLPO, seeds 0 1", "B  PPO, seeds 0 1", "CommonGen, split test: paired by seed 0, 1, 40 samples",
    ]  # fmt: skip
    i = next(i for i, line in enumerate(lines) if line.startswith(METEOR))
    assert lines[i].endswith(", A is higher") and " models: p = 0.0" in lines[i]
    assert "A - B 0.040 (0.030–0.050)" in lines[i + 1]
    assert lines[i + 2] == "  A above B in 4 of 4 pairs of runs"
    assert "1 more equal" in lines, "BLEU is 0.3 in all runs"
    text = " ".join(lines)
    assert "below 5 common seeds nothing is claimed" in text and "methods: p" not in text
    many = compare(capsys, *make_method("nlpo", [0.05] * 6), "--against", *make_method("ppo", [0.0, 0.01] * 3))
    assert "methods: p = " in many and "nothing is claimed" not in many
    assert max(map(len, many.splitlines())) <= 80
    found: dict[str, Any] = json.loads(compare(capsys, *a, "--against", *b, "--json"))
    assert found["methods"][0]["rows"][0]["models_verdict"] == "a higher"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{a0}"], "compare: 1 run; expected two, or --against RUN ... for methods of several seeds."),
        (["{a0}", "{a1}", "{b0}"], "compare: 3 runs; expected two, or --against RUN"),
        (["{a0}", "--against", "{a0}"], "named twice; name each run once."),
        (["{a0}", "--against", "{a1}"], "NLPO: runs of one configuration are on both sides"),
        (["{a0}", "--against", "{b0}", "{c0}"], "two methods of common_gen, PPO and TRPO; expected one a task."),
        (["{a0}", "--against", "{d0}"], "no run of the task common_gen, which NLPO is of; found: imdb."),
        (["{a0}", "--against", "{b0}", "--split", "val"], "no scores of the split val; there are: test."),
        (["{a0}", "--against", "absent"], "absent: no such directory; expected a run's."),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], message: str, make_method: MakeMethod, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {"a": make_method("nlpo", [0.1, 0.2]), "b": make_method("ppo", [0.0]), "c": make_method("trpo", [0.0])}
    made["d"] = make_method("ppo", [0.0], task="imdb")
    places = {f"{name}{i}": run for name, runs in made.items() for i, run in enumerate(runs)}
    assert main(["compare", *(each.format(**places) for each in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_in_python_lists_are_methods_and_two_runs_are_two_runs(make_method: MakeMethod) -> None:
    a, b = make_method("nlpo", [0.05, 0.07], noise=0.01), make_method("ppo", [0.0, 0.04], noise=0.01)
    assert str(rl4lms.compare(a, b)).startswith("A  NLPO, seeds 0 1\nB  PPO, seeds 0 1\n")
    assert str(rl4lms.compare(a, [rl4lms.load(run) for run in b])) == str(rl4lms.compare(a, b))
    assert str(rl4lms.compare(a[0], b[0])).startswith(f"A  {a[0]}\nB  {b[0]}\n")
