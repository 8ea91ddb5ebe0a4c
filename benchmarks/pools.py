"""Time and memory of a data pool of 300,000 rows: opening it, drawing prompts from it, and what workers hold of it.

    python -m benchmarks.pools [--rows N]

Rows are random words, written as jsonl in the data sets' published columns: translations of 20 words a side, articles
of 700 words. Each line is measured in a process of its own. Growth is that of resident memory over the process before
it opened the pool, after opening and again after 20,000 draws, and the part of it that is no page of a mapped file.
A draw is a sample's number, at priority_scale 0 and by weights at 1; a prompt is a draw with the sample's text.
Workers: those of `env.n_reward_workers` and of `env.vec_env: subproc`, with a pool of 8 rows and with the large one.
"""

from __future__ import annotations

import os

from rl4lms.core.kernels import environment

os.environ.update(environment(n_threads=1))  # as a stage computes

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rl4lms.core.io import write_jsonl
from rl4lms.core.tables import DataPoolRegistry
from rl4lms.data_pools.sampling import PromptSampler, weights_of
from rl4lms.data_pools.text_generation_pool import TextGenPool

N_DRAWS = 20_000
KINDS = {"translations": ("iwslt2017en_de", 20), "articles": ("cnn_daily_mail", 700)}
MB = 1024  # kB, the unit of /proc


def rows_of(kind: str, n: int) -> Iterator[dict[str, Any]]:
    """n rows of random words, about 6 characters each."""
    generator = np.random.default_rng(0)
    words = np.array([f"w{i:05}" for i in range(20_000)])
    _, n_words = KINDS[kind]
    for _ in range(n):
        text = " ".join(words[generator.integers(len(words), size=n_words)])
        short = " ".join(words[generator.integers(len(words), size=20)])
        yield (
            {"translation": {"en": text, "de": short}}
            if kind == "translations"
            else {"article": text, "highlights": short}
        )


def resident(pid: int | str = "self") -> dict[str, int]:
    """Resident memory of a process in kB: all of it, and what is no page of a file."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    status = {fields[0].rstrip(":"): fields[1] for fields in lines if len(fields) > 1}
    return {"all": int(status["VmRSS"]), "anonymous": int(status["RssAnon"])}


def _microseconds(n: int, started: float) -> float:
    return (time.process_time() - started) / n * 1e6


def measure_pool(kind: str, directory: str, how: str) -> dict[str, float]:
    """how: "mapped", as the library keeps samples, or "list", as python objects."""
    before = resident()
    started = time.process_time()
    pool: TextGenPool = DataPoolRegistry.get(KINDS[kind][0], {"split": "train", "data_dir": directory})
    if how == "list":
        pool = TextGenPool([sample for sample, _ in pool])
    sampler = PromptSampler(weights_of(pool), seed=0)
    opened_s, opened = time.process_time() - started, resident()
    weighted = PromptSampler(np.arange(1.0, len(pool) + 1), seed=0, priority_scale=1.0)
    result = {"rows": len(pool), "open_s": opened_s, "opened": opened["all"] - before["all"]}
    for name, each in (("draw_us", sampler), ("weighted_us", weighted)):
        started = time.process_time()
        each.indices(0, range(N_DRAWS))
        result[name] = _microseconds(N_DRAWS, started)
    started = time.process_time()
    for index in sampler.indices(1, range(N_DRAWS)):
        _ = pool[index][0].prompt_or_input_text
    result["prompt_us"] = _microseconds(N_DRAWS, started)
    after = resident()
    return {**result, "drawn": after["all"] - before["all"], "anonymous": after["anonymous"] - before["anonymous"]}


def measure_workers(directory: str) -> dict[str, int]:
    """Resident kB of one worker of each kind after it has done some work for a task over the pool in `directory`."""
    from benchmarks.work import VOCAB, word_tokenizer
    from rl4lms.envs.text_generation.vec_env import make_stepping_env
    from rl4lms.rewards.overlap import BLEURewardFunction
    from rl4lms.rollouts.scoring import BatchedScorer, SteppedScorer, response_of
    from rl4lms.tokenization.text_task import TextTask

    pool = DataPoolRegistry.get("iwslt2017en_de", {"split": "train", "data_dir": directory})
    task = TextTask(word_tokenizer(VOCAB), BLEURewardFunction(), pool, max_episode_length=4, max_prompt_length=8)
    responses = [response_of(task, pool[i % len(pool)][0], [2, 3, 4, 5], True) for i in range(64)]
    scorer = BatchedScorer(task, n_workers=2)
    scorer(responses)
    assert scorer._parallel is not None
    result = {"reward worker": max(resident(worker.process.pid)["all"] for worker in scorer._parallel._workers)}
    scorer.close()
    env: Any = make_stepping_env(task, n_envs=2, vocab_size=VOCAB, sample=pool[0][0])
    SteppedScorer(env, task)(responses)
    result["environment worker"] = max(resident(process.pid)["all"] for process in env.processes)
    env.close()
    return result


def in_a_process(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.pools", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"error: {' '.join(command)}: {(run.stderr.strip().splitlines() or ['no message'])[-1]}")
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Time and memory of large data pools.")
    parser.add_argument("--rows", type=int, default=300_000, help="of the large pools (default: %(default)s)")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.measure:
        what, *rest = args.measure
        print(json.dumps(measure_workers(*rest) if what == "workers" else measure_pool(what, *rest)))
        return
    with tempfile.TemporaryDirectory(prefix="pools-") as scratch:
        print_tables(Path(scratch), args.rows)


def print_tables(scratch: Path, n_rows: int) -> None:
    columns = "rows, open s, opened MB, after draws MB, of it anonymous MB, draw us, weighted us, prompt us".split(", ")
    print("| pool | samples | " + " | ".join(columns) + " |")
    print("|" + "---|" * (len(columns) + 2))
    for kind in KINDS:
        for name, n in ((f"{kind}-small", 8), (kind, n_rows)):
            directory = scratch / name
            write_jsonl(directory / "train.jsonl", rows_of(kind, n))
            for split in ("validation", "test"):
                write_jsonl(directory / f"{split}.jsonl", rows_of(kind, 1))
        for how in ("mapped", "list") if kind == "translations" else ("mapped",):
            r = in_a_process("--measure", kind, str(scratch / kind), how)
            sizes = (f"{r[key] / MB:.1f}" for key in ("opened", "drawn", "anonymous"))
            times = (f"{r[key]:.2f}" for key in ("draw_us", "weighted_us", "prompt_us"))
            print(
                " | ".join([f"| {kind}", how, f"{r['rows']:,}", f"{r['open_s']:.1f}", *sizes, *times]) + " |",
                flush=True,
            )
    small, large = (in_a_process("--measure", "workers", str(scratch / f"translations{n}")) for n in ("-small", ""))
    print(f"\n| worker | pool of 8 rows, MB | pool of {n_rows:,} rows, MB |\n|---|---|---|")
    for name in small:
        print(f"| {name} | {small[name] / MB:.1f} | {large[name] / MB:.1f} |")


if __name__ == "__main__":
    main()
