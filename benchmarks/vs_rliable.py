"""Our estimates of methods over tasks and seeds beside those of rliable 1.2.0, on the same scores.

    python -m benchmarks.vs_rliable [--rliable-python PATH] [--write]

Point estimates are to be equal to 1e-12. Of intervals ours are other ones (docs/report.md says why), but for the bands
of performance profiles: so rliable's are made again from our estimates with the indices that it drew. --write keeps its
answers in tests/results/rliable.json, which a test compares with without it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rl4lms.core.errors import ConfigError, report_error
from rl4lms.core.seeding import numpy_generator
from rl4lms.results.seed_statistics import improvement, interquartile_mean, profile, profile_bands
from rl4lms.results.statistics import Floats

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "results" / "rliable.json"
ENVIRONMENT = ".venv-rliable"
MAKE = f'python3.11 -m venv {ENVIRONMENT} && {ENVIRONMENT}/bin/pip install "rliable==1.2.0" "pandas<3"'
TOLERANCE = 1e-12
SHAPES = ((7, 2), (7, 5), (3, 10), (1, 4), (26, 5))  # tasks, seeds
ESTIMATES: dict[str, Callable[[Floats], float]] = {
    "iqm": lambda scores: interquartile_mean(scores, level=0.95).mean,
    "mean": lambda scores: float(scores.mean()),
    "median": lambda scores: float(np.median(scores.mean(axis=1))),
}


def question() -> dict[str, Any]:
    """Scores of two methods in every shape, with ties in one of the shapes, and what rliable is to do with them."""
    scores = {}
    for n_tasks, n_seeds in SHAPES:
        draws = numpy_generator(0, "rliable", n_tasks, n_seeds).standard_normal((2, n_tasks, n_seeds))
        draws = draws.round(1) if n_seeds == 10 else draws
        scores[f"{n_tasks} tasks, {n_seeds} seeds"] = {"a": (draws[0] + 0.3).tolist(), "b": draws[1].tolist()}
    return {"scores": scores, "thresholds": np.linspace(-1.5, 1.5, 13).tolist(), "reps": 200, "seed": 7}


def differences(asked: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Case -> the largest difference of ours from rliable's: of point estimates, and of intervals."""
    found = {}
    for case, given in asked["scores"].items():
        scores = {method: np.array(rows) for method, rows in given.items()}
        points, bounds = [], []
        for method, own in scores.items():
            theirs = answers[case]["methods"][method]
            draws = _draws(asked, own)
            for name, estimate in ESTIMATES.items():
                resampled = [estimate(np.take_along_axis(own, draw, axis=1)) for draw in draws]
                points.append(estimate(own) - theirs[name][0])
                bounds += [*(np.quantile(resampled, [0.025, 0.975]) - theirs[name][1:])]
            thresholds = np.array(asked["thresholds"])
            points += [*(profile(own, thresholds) - theirs["profile"][0])]
            for ours, other in zip(profile_bands(own, thresholds, draws, 0.95), theirs["profile"][1:], strict=True):
                bounds += [*(ours - other)]
        chance, *interval = answers[case]["improvement"]
        points.append(float(improvement(*scores.values()).mean()) - chance)
        bounds += [*(np.quantile(_resampled_chances(asked, *scores.values()), [0.025, 0.975]) - interval)]
        found[case] = (float(np.abs(points).max()), float(np.abs(bounds).max()))
    return found


def _draws(asked: Mapping[str, Any], scores: Floats) -> np.ndarray:
    """(resamples, tasks, seeds) indices, as rliable draws them after its seed is set."""
    n_tasks, n_seeds = scores.shape
    rng = np.random.RandomState(asked["seed"])
    return np.stack([rng.choice(n_seeds, (n_seeds, n_tasks), replace=True).T for _ in range(asked["reps"])])


def _resampled_chances(asked: Mapping[str, Any], scores: Floats, others: Floats) -> list[float]:
    rng, chances = np.random.RandomState(asked["seed"]), []
    for _ in range(asked["reps"]):
        drawn = [np.take_along_axis(x, rng.choice(x.shape[1], x.shape[::-1]).T, axis=1) for x in (scores, others)]
        chances.append(float(improvement(*drawn).mean()))
    return chances


def ask(python: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    if not python.is_file():
        raise ConfigError(f"--rliable-python: no Python at {python}; make it with: {MAKE}")
    worker = [str(python), str(ROOT / "benchmarks" / "rliable_worker.py")]
    done = subprocess.run(worker, input=json.dumps(asked), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"rliable's worker failed: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rliable-python", type=Path, default=ROOT / ENVIRONMENT / "bin" / "python")
    parser.add_argument("--write", action="store_true", help=f"keep the answers in {GOLDEN.relative_to(ROOT)}")
    args = parser.parse_args(arguments)
    try:
        asked = question()
        answer = ask(args.rliable_python, asked)
    except ConfigError as error:
        return report_error(error)
    found = differences(asked, answer["cases"])
    print(f"rliable {answer['rliable']}, largest absolute difference:\n\n| scores | point estimates | intervals |")
    print("|---|---|---|")
    for case, (points, bounds) in found.items():
        print(f"| {case} | {points:.1e} | {bounds:.1e} |")
    if args.write:
        GOLDEN.write_text(json.dumps({"asked": asked, **answer}) + "\n", encoding="utf-8")
    return 0 if max(map(max, found.values())) < TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
