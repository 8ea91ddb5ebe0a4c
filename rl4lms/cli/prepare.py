"""`prepare`: a task's rows, in the data set's published columns, as train.jsonl, validation.jsonl and test.jsonl.

No key of a row (its review, concept set, dialogue, ...) is in two splits: test keeps its rows, val gives way to test,
train to both. A split with more rows than params ask for is cut to the first of a shuffle keyed by the seed.
"""

from __future__ import annotations

import argparse
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rl4lms.config.stages import stage_params
from rl4lms.core import progress
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import read_lines, sha256_file, write_json, write_jsonl
from rl4lms.core.manifest import MANIFEST_FILE, build_manifest
from rl4lms.core.tables import TASKS, DataPoolRegistry
from rl4lms.core.work_directory import input_digests, publish_directory
from rl4lms.data_pools.dataset import PUBLISHED_SPLITS, SPLITS
from rl4lms.data_pools.row_check import published_row
from rl4lms.data_pools.sources import HubSource, LocalSource, Source
from rl4lms.data_pools.splitting import disjoint, first_n
from rl4lms.data_pools.text_generation_pool import TextGenPool
from rl4lms.tasks.generated import GeneratorSource
from rl4lms.tasks.local_rows import local_rows, rows_directory
from rl4lms.tasks.task import task_of

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", required=True, help=f"one of {', '.join(TASKS.ids())}")
    parser.add_argument("--out", type=Path, help="directory of the prepared rows")
    parser.add_argument("--data-dir", type=Path, help="read local files from here, whatever params say of the source")


def run(args: argparse.Namespace) -> None:
    data = args.params.task(args.task)["data"]
    for task in args.params.grue()["tasks"]:  # the rows of all tasks that have their own, before hours go by
        if task != args.task and args.params.task(task)["data"]["data_dir"] is not None:
            local_rows(args.params, task)
    files = local_rows(args.params, args.task, args.data_dir)
    summary = prepare(args.task, data, args.out, args.data_dir)
    params = stage_params(args.params, "prepare", task=args.task)
    manifest = build_manifest(
        seed=data["seed"],
        device="cpu",
        inputs=input_digests(files),
        task_version=args.params.task(args.task)["version"],
        stage="prepare",
        suite=args.params.suite,
        task=args.task,
        params=params,
    )
    write_json(args.out / MANIFEST_FILE, manifest)
    rows = ", ".join(f"{split} {facts['rows']}" for split, facts in summary["splits"].items())
    log.info("prepared %s from %s: %s rows in %s", args.task, summary["source"], rows, args.out)


def prepare(task: str, data: Mapping[str, Any], out: Path, data_dir: Path | None = None) -> dict[str, Any]:
    """Write the rows of `task` to `out`, once its pool can be built from them. Returns what summary.json holds.

    data: the keys `pool`, `source`, `n_train`, `n_val`, `n_test`, `seed`, `folder` and `args` of the task's params.
    """
    dataset = task_of(task).data
    sizes = {split: data[f"n_{split}"] for split in SPLITS}
    build = _pool_builder(task, data)
    source = _source(task, data, sizes, data_dir)
    progress.phase(f"rows of {source.name}")
    given = {split: source.rows(dataset, split) for split in SPLITS}
    kept = disjoint(given, dataset)
    for split, rows in kept.items():
        if not rows:
            raise DataError(f"{task}: every row of the {source.name} split {split} is in a later split as well.")
    with publish_directory(out) as scratch:
        for split, rows in kept.items():
            chosen = first_n(rows, sizes[split], f"prepare {task} {split} {data['seed']}")
            write_jsonl(_file(scratch, split), (published_row(row, dataset) for row in chosen))
        summary = {"task": task, "pool": data["pool"], "source": source.name, "splits": {}}
        for split in SPLITS:
            overlap = len(given[split]) - len(kept[split])
            summary["splits"][split] = _facts(_file(scratch, split), build(split, scratch)) | {
                "rows_dropped_as_overlap": overlap
            }
        write_json(scratch / "summary.json", summary)
    return summary


def _source(task: str, data: Mapping[str, Any], sizes: Mapping[str, int | None], data_dir: Path | None) -> Source:
    directory = rows_directory(data, data_dir)
    if directory is not None:
        return LocalSource(directory)
    if data["source"] == "local":
        raise ConfigError(f"tasks/{task}.yaml: data.source is local: say where with --data-dir.")
    if data["source"] == "hub":
        return HubSource()
    numbers = {split: n for split, n in sizes.items() if n is not None}
    if len(numbers) < len(sizes):
        missing = ", ".join(f"data.n_{split}" for split in sizes if split not in numbers)
        raise ConfigError(f"tasks/{task}.yaml: {missing}: the generator needs a number of rows, found null.")
    return GeneratorSource(task_of(task), numbers, data["seed"])


def _file(directory: Path, split: str) -> Path:
    return directory / f"{PUBLISHED_SPLITS[split]}.jsonl"


def _pool_builder(task: str, data: Mapping[str, Any]) -> Callable[[str, Path], TextGenPool]:
    """(split, directory) -> the task's pool. Raises ConfigError for an unknown pool or argument before any work."""
    where = f"tasks/{task}.yaml: data"
    prepare_pool = DataPoolRegistry.table.load(data["pool"], f"{where}.pool").prepare
    arguments = data.get("args", {})
    try:
        inspect.signature(prepare_pool).bind("train", data_dir="", **arguments)
    except TypeError as error:
        raise ConfigError(f"{where}.args for the pool {data['pool']}: {error}.") from None
    return lambda split, directory: prepare_pool(split, data_dir=str(directory), **arguments)


def _facts(path: Path, pool: TextGenPool) -> dict[str, Any]:
    """Of one written split: its size and digest, and the lengths of its samples' texts in space-separated words."""
    samples = [sample for sample, _ in pool]
    return {
        "rows": sum(1 for _ in read_lines(path)),
        "sha256": sha256_file(path),
        "samples": len(samples),
        "references_per_sample": _mean([len(sample.references) for sample in samples]),
        "prompt_words": _lengths([sample.prompt_or_input_text for sample in samples]),
        "reference_words": _lengths([text for sample in samples for text in sample.references]),
    }


def _lengths(texts: Sequence[str]) -> dict[str, float]:
    """Mean, 95th percentile (the smallest length that 95 % do not exceed) and maximum."""
    lengths = sorted(len(text.split()) for text in texts)
    if not lengths:
        return {"mean": 0.0, "p95": 0, "max": 0}
    return {"mean": _mean(lengths), "p95": lengths[-(-len(lengths) * 95 // 100) - 1], "max": lengths[-1]}


def _mean(numbers: Sequence[int]) -> float:
    return round(sum(numbers) / len(numbers), 2)
