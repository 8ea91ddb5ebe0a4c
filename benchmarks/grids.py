"""What a large grid costs: planning it, and its tables, figures and report.

    python -m benchmarks.grids [--seeds 50] [--samples 300] [--directory DIR] [--parts plan aggregate]

Seven tasks, the twelve methods of five algorithms, and so many seeds: 4,200 runs, with files of the sizes that the
embedded suite's have and drawn numbers in them. Nothing is trained. With --directory they stay there, and are used
again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from rl4lms.config.compose import algorithm_of, methods
from rl4lms.config.params import Params
from rl4lms.core.errors import UserError, report_error
from rl4lms.core.seals import seal
from rl4lms.core.seeding import numpy_generator

ROOT = Path(__file__).resolve().parents[1]
SUITE = "grid"
ALGORITHMS = ["ppo", "nlpo", "grpo", "rloo", "dpo"]
N_ITERS, N_WORDS = 20, 12  # iterations of a run; words of a text
N_DIVERSITY = 40  # corpus values that no sample has
SCORES = ["lexical/meteor", "lexical/rouge_rouge1", "lexical/rouge_rouge2", "lexical/rouge_rougeL", "lexical/bleu"]
WORDS = "the a worker opens box with some open young group and tall happy people in from of day film story was".split()


def make_project(directory: Path, n_seeds: int) -> Params:
    """A copy of the pipeline's files with a suite of its own."""
    for name in ("workflow", "params"):
        shutil.copytree(ROOT / name, directory / name, dirs_exist_ok=True)
    shutil.copy2(ROOT / "Snakefile", directory)
    suite = directory / "params" / "suites" / SUITE
    suite.mkdir(exist_ok=True)
    contrasts = [{"name": "critic", "method": "supervised_ppo", "against": "supervised_grpo", "question": "Critic?"}]
    grue = {"algs": ALGORITHMS, "seeds": [*range(1, n_seeds + 1)], "aggregate": {"contrasts": contrasts}}
    (suite / "grue.yaml").write_text(yaml.safe_dump(grue))
    return Params.open(directory / "params", SUITE)


def write_run(directory: Path, params: Params, task: str, method: str, seed: int, n: int) -> None:
    """The scores and, of a method with training, the run: `n` samples, drawn numbers, the texts of one sample."""
    rng = numpy_generator("grid", task, method, seed)
    main = params.task(task)["evaluation"]["main_metric"]
    names = [*dict.fromkeys([main, *SCORES, "reward"])]
    level = 0.2 + 0.2 * method.startswith("supervised") + 0.05 * (len(method) % 5)
    table = (level + 0.1 * rng.standard_normal((n, len(names)))).clip(0.01, 1)
    words = rng.integers(len(WORDS), size=(n, N_WORDS))
    rows = [
        {
            "split_name": "test",
            "sample_id": f"test_{i}",
            "prompt_text": f"generate a sentence with: open worker box {i}.",
            "generated_text": " ".join(WORDS[word] for word in words[i]),
            "ref_text": "".join(f"<START-{k}>A group of young workers opens box {i}.<END-{k}>" for k in range(1, 6)),
            **dict(zip(names, values, strict=True)),
        }
        for i, values in enumerate(table.tolist())
    ]
    metrics = {name: float(table[:, i].mean()) for i, name in enumerate(names)}
    metrics |= {"fluency_metrics/perplexity": 20.0 + rng.random(), "base/perplexity": 30.0, "cost/tokens": 20.0}
    metrics |= {"kl/per_token": 0.1 * rng.random(), "kl/per_sequence": rng.random()}
    metrics |= {f"diversity_metrics/{name}": rng.random() for name in ("msttr-100", "distinct-1", "distinct-2")}
    metrics |= {f"diversity_metrics/drawn-{k}": rng.random() for k in range(N_DIVERSITY)}
    place = Path(task, method, f"seed{seed}")
    scores = directory / "results" / SUITE / "scores" / place
    scores.mkdir(parents=True)
    line = {"task": task, "method": method, "seed": seed, "epoch": 1, "metrics": metrics, "labels": {}, "means": names}
    (scores / "metrics.json").write_text(json.dumps({**metrics, "n": n}, indent=2))
    (scores / "test_split_metrics.jsonl").write_text(json.dumps(line) + "\n")
    (scores / "test_predictions.json").write_text(json.dumps(rows))
    seal(scores, [path.name for path in sorted(scores.iterdir())])
    if method != "zero_shot":
        write_training(directory / "results" / SUITE / "runs" / place, params, main, method, seed)


def write_training(run: Path, params: Params, main: str, method: str, seed: int) -> None:
    run.mkdir(parents=True)
    rng, algorithm = numpy_generator("training", str(run)), algorithm_of(method)
    config = {"alg": {"id": params.alg(algorithm)["id"] if algorithm else "supervised"}, "seed": seed}
    keys = [f"further_{k}" for k in range(12)]
    (run / "config.json").write_text(json.dumps(config | {key: {"args": list(range(9))} for key in keys}, indent=2))
    if algorithm is not None:
        rollouts, updates, epochs = [], [], []
        for k in range(N_ITERS):
            drawn = {f"rollout/{key}": rng.random() for key in keys}
            facts = {"ep_rew_mean": rng.random(), "kl_mean": 0.05 * k / N_ITERS, "ep_len_mean": 24.0}
            facts |= {"n_sampled_tokens": 1536, "ep_len_std": 3.0}
            rollouts.append({"iteration": k, **{f"rollout/{key}": value for key, value in facts.items()}, **drawn})
            drawn = {f"train/{key}": rng.random() for key in keys}
            updates.append({"iteration": k, "train/n_minibatches": 4.0, "train/clip_fraction": 0.1, **drawn})
            if k % 5 == 0:
                epochs.append({"epoch": k, "metrics": {main: rng.random()}})
        logs = {"rollout_info": rollouts, "training_info": updates, "val_split_metrics": epochs}
        for name, rows in logs.items():
            (run / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    seal(run, [path.name for path in sorted(run.iterdir())])


def make_runs(directory: Path, params: Params, n_samples: int) -> int:
    """The runs that are not there yet. Returns how many there are."""
    grue = params.grue()
    places = [
        (task, method, seed)
        for task in grue["tasks"]
        for method in methods(grue["algs"], grue["baselines"])
        for seed in grue["seeds"]
    ]
    for task, method, seed in places:
        if not (directory / "results" / SUITE / "scores" / task / method / f"seed{seed}").exists():
            write_run(directory, params, task, method, seed, n_samples)
    return len(places)


def measured(directory: Path, command: Sequence[str]) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of a command. Raises UserError with its last words where it fails."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    log = directory / "command.log"
    with open(log, "w") as out:
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise UserError(f"{' '.join(command)}: {log.read_text()[-500:]}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def run(args: argparse.Namespace, directory: Path) -> None:
    params = make_project(directory, args.seeds)
    if "plan" in args.parts:
        plan = [sys.executable, "-m", "snakemake", "-n", "--quiet", "--cores", "8", "grue_all"]
        seconds, memory = measured(directory, [*plan, "--config", f"suite={SUITE}"])
        print(f"plan: {seconds:.0f} CPU-s, {memory:.0f} MB", flush=True)
    if "aggregate" in args.parts:
        start = time.process_time()
        n_runs = make_runs(directory, params, args.samples)
        print(
            f"{n_runs} runs of {args.samples} samples, written in {time.process_time() - start:.0f} CPU-s", flush=True
        )
        seconds, memory = measured(directory, [sys.executable, "-m", "rl4lms", "aggregate", "--suite", SUITE])
        grue = directory / "results" / SUITE / "grue"
        sizes = {name: (grue / name).stat().st_size / 1e6 for name in ("report.html", "scores.csv", "curves.csv")}
        print(f"aggregate: {seconds:.0f} CPU-s, {memory:.0f} MB")
        print(", ".join(f"{name} {size:.1f} MB" for name, size in sizes.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--samples", type=int, default=300, help="of a test split (default: %(default)s)")
    parser.add_argument("--directory", type=Path, help="where the runs are kept; without it, nowhere")
    parser.add_argument("--parts", nargs="+", choices=("plan", "aggregate"), default=["plan", "aggregate"])
    args = parser.parse_args()
    try:
        if args.directory is not None:
            args.directory.mkdir(parents=True, exist_ok=True)
            run(args, args.directory.resolve())
        else:
            with tempfile.TemporaryDirectory() as scratch:
                run(args, Path(scratch))
    except Exception as error:
        sys.exit(report_error(error))


if __name__ == "__main__":
    main()
