"""`python -m rl4lms <stage>`: the stages of the benchmark, one command each.

A stage is a module of this package with `add_arguments(parser)` and `run(args)`; only the chosen one is imported, for a
process pays its start-up once a job.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib
import logging
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from rl4lms import __version__
from rl4lms.config.params import Params
from rl4lms.core import progress
from rl4lms.core.errors import UserError
from rl4lms.core.progress_view import shown

STAGES = {
    "prepare": ("prepare", "write a task's rows: generated, local or from the hub"),
    "base-model": ("base_model", "make a family's tokenizer and base model"),
    "reward-model": ("reward_model", "train a classifier that a reward or metric uses"),
    "supervised": ("supervised", "fine-tune the base model on a task (the warm start)"),
    "train": ("train", "train with reinforcement learning"),
    "evaluate": ("evaluate", "score a method's models of all seeds on the test split"),
    "aggregate": ("aggregate", "make the benchmark's tables, plots and report"),
}

log = logging.getLogger(__name__)

# No progress bars and hints of the libraries in a stage's log; a user's own settings win.
QUIET_LIBRARIES = {
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage. Returns the exit code: 0, or the error's (2 for bad input) after one line on stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        run_stage(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from its last checkpoint, where it keeps any.", file=sys.stderr)
        return 130
    return 0


def run_stage(arguments: Sequence[str]) -> None:
    stage = next((a for a in arguments if a in STAGES), None)
    asked_for_help = not {"-h", "--help"}.isdisjoint(arguments)
    if stage is None or asked_for_help:
        build_parser(stage).parse_args(arguments)  # prints and exits
    # The environment must be settled before a stage imports torch, and its arguments are known to the stage alone.
    common, _ = common_parser().parse_known_args(arguments)
    params = Params.open(common.params_dir, common.suite)
    prepare_process(params.grue()["n_threads"], common.quiet)
    with shown(stage or "rl4lms", quiet=common.quiet):
        progress.phase("loading")
        args = build_parser(stage).parse_args(arguments, argparse.Namespace(params=params))
        progress.title(run_title(args))
        load_stage(args.stage).run(args)
    log.info("%s: %s", args.stage, cost())


def build_parser(stage: str | None = None) -> argparse.ArgumentParser:
    """The parser of all stages; the arguments of `stage` alone, for the others stay unimported."""
    parser = argparse.ArgumentParser(prog="rl4lms", description="Reinforcement learning for language generation.")
    parser.add_argument("--version", action="version", version=f"rl4lms {__version__}")
    stages = parser.add_subparsers(dest="stage", metavar="stage", required=True)
    for name, (_, summary) in STAGES.items():
        common = [common_parser()] if name == stage else []
        subparser = stages.add_parser(name, help=summary, description=summary, parents=common, allow_abbrev=False)
        if name == stage:
            load_stage(name).add_arguments(subparser)
    return parser


def common_parser() -> argparse.ArgumentParser:
    """The arguments that every stage takes."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--suite", help="params/ overlaid by params/suites/SUITE/ (default: grue.yaml's suite)")
    parser.add_argument("--params-dir", type=Path, default=Path("params"), help="default: %(default)s")
    parser.add_argument("--quiet", action="store_true", help="warnings and errors only")
    return parser


def run_title(args: argparse.Namespace) -> str:
    """train imdb/ppo/seed0: the stage and what it is asked to make."""
    named = [str(getattr(args, key)) for key in ("task", "method", "family", "name") if getattr(args, key, None)]
    seed = getattr(args, "seed", None)
    return " ".join([args.stage, "/".join([*named, *([] if seed is None else [f"seed{seed}"])])]).strip()


def load_stage(name: str) -> ModuleType:
    return importlib.import_module(f"rl4lms.cli.{STAGES[name][0]}")


def cost() -> str:
    """CPU time and peak memory of this process and of the children that it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in (own, children))
    unit = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss: bytes there, kilobytes elsewhere
    return f"{seconds:.1f} CPU s, {max(own.ru_maxrss, children.ru_maxrss) / unit:.0f} MB"


def quiet_libraries() -> None:
    for name, value in QUIET_LIBRARIES.items():
        os.environ.setdefault(name, value)


def prepare_process(n_threads: int, quiet: bool) -> None:
    """Threads, on whose number results may depend, what the libraries say by themselves, and our own log."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(n_threads)
    # The imports make a million objects that stay. To walk them costs a job 2 CPU-seconds: half now, half at its exit.
    gc.set_threshold(100_000, 20, 20)
    atexit.register(gc.freeze)
    quiet_libraries()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("rl4lms").setLevel(logging.WARNING if quiet else logging.INFO)
