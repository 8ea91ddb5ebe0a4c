"""The published training command: one YAML file, one run.

`python scripts/training/train_text_generation.py --config_path FILE`. A script that registers classes of its own
(`RewardFunctionRegistry.add(...)`, ...) calls `main()` afterwards and takes the same arguments.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rl4lms.cli.main import INTERRUPTED, quiet_libraries
from rl4lms.config.inputs import local_inputs
from rl4lms.config.overrides import noted, override, parse_changes
from rl4lms.config.schema import RunConfig
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core import progress
from rl4lms.core.errors import ConfigError, DataError, report_error
from rl4lms.core.io import read_json, sha256_file, write_json
from rl4lms.core.kernels import settle_process
from rl4lms.core.launch import launch_rank, launch_size
from rl4lms.core.names import check_name
from rl4lms.core.progress_view import lines, shown
from rl4lms.core.registry import Registry
from rl4lms.core.streams import PlainFormatter, keep_standard_streams
from rl4lms.core.work_directory import LOG_FILE, work_directory
from rl4lms.tracking.backends import BACKENDS, Backend, check_backends, open_backend
from rl4lms.tracking.tracker import Tracker
from rl4lms.training.dry_run import check_run
from rl4lms.training.hub import check_push, push_model
from rl4lms.training.identity import RunIdentity

logger = logging.getLogger("rl4lms")

TRAINERS = Registry(
    "trainer",
    {
        "supervised": "rl4lms.training.supervised:train_supervised",
        "on_policy": "rl4lms.training.on_policy:train_on_policy",
    },
)


FINISHED = ".finished.json"
# What a reader looks for first in the directory of a run.
RESULTS = (
    "model/",
    "adapter/",
    "best_model/",
    "best_adapter/",
    "val_split_metrics.jsonl",
    "test_split_metrics.jsonl",
    "rollout_info.jsonl",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Train from a published configuration. Returns the exit code; 2, after one line on stderr, for bad input."""
    keep_standard_streams()
    args = build_parser().parse_args(argv)
    quiet_libraries()
    stderr = logging.StreamHandler()
    stderr.setLevel(logging.WARNING if args.quiet else logging.INFO)  # log.txt has every line
    stderr.setFormatter(PlainFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[stderr])
    logger.setLevel(logging.INFO)
    try:
        for option in ("project_name", "experiment_name"):
            check_name(getattr(args, option), f"--{option}")
        seed = {} if args.seed is None else {"seed": args.seed}
        config = read_config(args.config_path, parse_changes(args.set) | seed)
        check_backends(tracked(args))  # after the kernels are settled: TensorBoard imports torch
        if args.dry_run:
            print(f"{args.config_path}: a valid configuration ({config.alg.id} on {config.datapool.id}).")
        else:
            with shown(args.experiment_name, quiet=args.quiet):
                progress.phase("loading")
                run_dir = args.base_path_to_store_results / args.project_name / args.experiment_name
                names = {"project": args.project_name, "name": args.experiment_name, "entity": args.entity_name}
                run_training(config, run_dir, partial(open_backends, config, run_dir, tracked(args), names))
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 130
    except BaseException as error:
        return report_error(error)
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Fine-tune a language model to generate text.")
    parser.add_argument("--config_path", type=Path, required=True, help="the YAML file (or a run's config.json)")
    parser.add_argument("--project_name", default="rl4lm_exps", help="default: %(default)s")
    parser.add_argument("--experiment_name", default="rl4lm_experiment", help="default: %(default)s")
    parser.add_argument("--entity_name", help="of Weights & Biases")
    parser.add_argument(
        "--base_path_to_store_results",
        type=Path,
        default=Path.cwd(),
        help="results go to BASE/PROJECT_NAME/EXPERIMENT_NAME (default: the current directory)",
    )
    parser.add_argument("--log_to_wandb", action="store_true", help="log to Weights & Biases as well")
    parser.add_argument(
        "--track", nargs="+", default=[], metavar="BACKEND", help=f"log elsewhere as well: {', '.join(BACKENDS)}"
    )
    parser.add_argument("--dry-run", action="store_true", help="check the configuration and stop")
    parser.add_argument("--quiet", action="store_true", help="warnings and errors only; log.txt has every line")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="in place of the file's value: alg.args.learning_rate=1e-5; repeatable",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, help="in place of the configuration's seed")
    return parser


def read_config(path: Path, changes: Mapping[str, Any]) -> RunConfig:
    """The configuration in a file with `changes` by dotted key, checked as far as that needs no weights.

    Raises ConfigError or DataError.
    """
    return checked(override(load_yaml(path), changes), noted(str(path), changes))


def checked(given: Mapping[str, Any], source: str) -> RunConfig:
    """The configuration in a mapping, checked as far as that needs no weights. source: what an error starts with."""
    config = RunConfig.from_dict(given, source)
    settle_process(config.kernels, config.n_threads)  # before anything that is checked imports torch
    check_run(config, source)
    return config


def run_training(config: RunConfig, run_dir: Path, backends: Callable[[], list[Backend]]) -> None:
    """Run in `run_dir`; resumes what an equal run left there, and sets aside what another one did.

    For a finished run whose results are as it left them no model is built; the saved one is pushed, if asked for.
    """
    if config.is_supervised and launch_size() > 1:
        raise ConfigError("alg.id: supervised runs in one process; launch it without torchrun or accelerate.")
    if launch_rank() > 0:  # computes with the first process, which writes
        TRAINERS.load("on_policy")(config, run_dir)
        return
    identity = RunIdentity(config)
    with work_directory(run_dir, config.determining(), local_inputs(config), identity.parts):
        log_file = logging.FileHandler(run_dir / LOG_FILE, encoding="utf-8", errors="backslashreplace")
        log_file.setFormatter(PlainFormatter("%(asctime)s [%(levelname)s] %(message)s"))
        logger.addHandler(log_file)
        try:
            if launch_size() == 1 and _is_finished(run_dir):  # the other processes of a launch do not know it
                logger.info("finished before: nothing is left to train")
                check_push(config.push_to_hub)
                push_model(config.push_to_hub, run_dir / "model")
            else:
                _train(config, run_dir, backends(), identity)
            where = f"results in {run_dir}: {', '.join(found for found in RESULTS if (run_dir / found).exists())}"
            progress.results_lie(where)
            lines.info("%s", where)
        finally:
            logger.removeHandler(log_file)
            log_file.close()


def _results(run_dir: Path) -> dict[str, str]:
    """path -> sha256 of each file of a run's results, below its directory."""
    found = [path for name in RESULTS for path in (run_dir / name, *(run_dir / name).rglob("*")) if path.is_file()]
    return {str(path.relative_to(run_dir)): sha256_file(path) for path in found}


def _is_finished(run_dir: Path) -> bool:
    """Whether a run has ended in its directory, and its results are still what it wrote."""
    try:
        return bool(read_json(run_dir / FINISHED) == _results(run_dir))
    except (DataError, OSError):  # there is no such file, or it is damaged
        return False


def _train(config: RunConfig, run_dir: Path, backends: list[Backend], identity: RunIdentity) -> None:
    """Train to the end, and note what the results are, so that the same command needs no work."""
    tracker = Tracker(run_dir, backends=backends)
    try:
        trainer = TRAINERS.load("supervised" if config.is_supervised else "on_policy")
        trainer(config, run_dir, tracker=tracker, identity=identity)
    finally:
        tracker.close()
    write_json(run_dir / FINISHED, _results(run_dir))


def tracked(args: argparse.Namespace) -> list[str]:
    """The backends that were asked for, each once."""
    return list(dict.fromkeys([*args.track, *(["wandb"] if args.log_to_wandb else [])]))


def open_backends(
    config: RunConfig, run_dir: Path, tracked: Iterable[str], names: Mapping[str, str | None]
) -> list[Backend]:
    """The backends `tracked`. names: project, name and entity at Weights & Biases."""
    settings: dict[str, dict[str, Any]] = {"wandb": {"config": config.to_dict(), **names}}
    return [open_backend(name, run_dir, **settings.get(name, {})) for name in tracked]
