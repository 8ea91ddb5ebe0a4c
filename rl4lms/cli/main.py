"""`python -m rl4lms <stage>`: the stages of the benchmark, one command each, and commands about finished runs.

Either is a module of this package with `add_arguments(parser)` and `run(args)`; only the chosen one is imported, for a
process pays its start-up once a job. A stage reads params/; a command needs none.
"""

from __future__ import annotations

import argparse
import atexit
import ctypes
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
from rl4lms.config.layout import paths
from rl4lms.config.overrides import parse_changes
from rl4lms.config.params import RUN, Params
from rl4lms.config.stages import STAGES
from rl4lms.core import progress
from rl4lms.core.errors import ConfigError, report_error
from rl4lms.core.kernels import Kernels, settle_process
from rl4lms.core.progress_view import shown
from rl4lms.core.streams import PlainFormatter, keep_standard_streams

COMMANDS: dict[str, tuple[str, str]] = importlib.import_module("rl4lms.cli.commands").COMMANDS
MODULES = {name: (stage.module, stage.summary) for name, stage in STAGES.items()} | COMMANDS
# The stages that long work begins with: `prepare` checks the whole suite, the others what their job reads.
CHECKING = ("prepare", "base-model", "reward-model", "supervised", "train")
# Whose keys `--set` takes: a file under params/, an entry of one, or the run that a stage composes.
SUBJECTS = {
    "prepare": "tasks/{task}.yaml",
    "base-model": "base_models.yaml {family}",
    "reward-model": "reward_models.yaml {name}",
    "supervised": RUN,
    "train": RUN,
    "evaluate": "tasks/{task}.yaml",
    "aggregate": "grue.yaml",
}

log = logging.getLogger(__name__)
INTERRUPTED = "interrupted; the same command goes on from the last checkpoint, or begins again where there is none."

# No progress bars and hints of the libraries in a stage's log; a user's own settings win.
QUIET_LIBRARIES = {
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage or command. Returns the exit code: 0, or the error's (2 for bad input) after one line on stderr.

    SystemExit 143 (129) passes through: a stage that SIGTERM (SIGHUP) ended has saved what it continues from.
    """
    keep_standard_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        dispatch(arguments)
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 130
    except BaseException as error:
        return report_error(error)
    return 0


def dispatch(arguments: Sequence[str]) -> None:
    if not arguments:
        build_parser().print_help()
        return
    name = next((a for a in arguments if a in MODULES), None)
    asked_for_help = not {"-h", "--help"}.isdisjoint(arguments)
    if name is None or asked_for_help:
        build_parser(name).parse_args(arguments)  # prints and exits
    elif name in COMMANDS:
        run_command(name, arguments)
    else:
        run_stage(name, arguments)


def run_stage(stage: str, arguments: Sequence[str]) -> None:
    # The environment must be settled before a stage imports torch, and its arguments are known to the stage alone.
    common, _ = common_parser(stage).parse_known_args(arguments)
    params = Params.open(common.params_dir, common.suite)
    parts = named_parts(arguments)
    if common.set:
        params = params.changed(SUBJECTS[stage].format(**vars(parts)), parse_changes(common.set))
    grue = params.grue()
    prepare_process(grue["kernels"], grue["n_threads"], common.quiet)
    if stage in CHECKING:
        importlib.import_module("rl4lms.cli.suite_check").check_stage(params, stage, parts)
    with shown(stage or "rl4lms", quiet=common.quiet):
        progress.phase("loading")
        args = build_parser(stage).parse_args(arguments, argparse.Namespace(params=params))
        settle_paths(params, args)
        settle_process(grue["kernels"], grue["n_threads"])  # torch is there now, and takes more threads than cores
        progress.title(run_title(args))
        load_stage(args.stage).run(args)
    log.info("%s: %s", args.stage, cost())


def named_parts(arguments: Sequence[str]) -> argparse.Namespace:
    """The task, method, family and name among a stage's arguments; its own parser says which are missing."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--task", "--method", "--family", "--name"):
        parser.add_argument(option, nargs="?")
    return parser.parse_known_args(arguments)[0]


def settle_paths(params: Params, args: argparse.Namespace) -> None:
    """Where nothing says where to write, a job's files lie in the suite's layout (config/layout.py)."""
    usual = {option.replace("-", "_"): Path(path) for option, path in paths(params, args.stage, vars(args)).items()}
    missing = [option for option in usual if getattr(args, option) is None]
    if args.out is None:
        vars(args).update({option: usual[option] for option in missing})
    elif needed := [option for option in missing if option != "reward_model"]:
        options = ", ".join(f"--{option.replace('_', '-')}" for option in needed)
        raise ConfigError(f"{args.stage}: with --out, give {options} as well; without any, they lie in results/.")


def run_command(name: str, arguments: Sequence[str]) -> None:
    args = build_parser(name).parse_args(arguments)
    start_log(args.quiet)
    load_stage(name).run(args)


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser of all stages and commands; the arguments of the chosen one alone, for the others stay unimported."""
    parser = argparse.ArgumentParser(prog="rl4lms", description="Reinforcement learning for language generation.")
    parser.add_argument("--version", action="version", version=f"rl4lms {__version__}")
    stages = parser.add_subparsers(dest="stage", metavar="stage", required=True)
    for name, (_, summary) in MODULES.items():
        common = [common_parser(name)] if name == chosen else []
        subparser = stages.add_parser(name, help=summary, description=summary, parents=common, allow_abbrev=False)
        if name == chosen:
            load_stage(name).add_arguments(subparser)
    return parser


def common_parser(name: str) -> argparse.ArgumentParser:
    """The arguments that every stage takes, or every command."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    if name in STAGES:
        parser.add_argument("--suite", help="params/ overlaid by params/suites/SUITE/ (default: grue.yaml's suite)")
        parser.add_argument("--params-dir", type=Path, default=Path("params"), help="default: %(default)s")
        of = SUBJECTS[name] if SUBJECTS[name] != RUN else "a run's configuration"
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help=f"in place of a value of {of}; repeatable"
        )
    parser.add_argument("--quiet", action="store_true", help="warnings and errors only")
    return parser


def run_title(args: argparse.Namespace) -> str:
    """train imdb/ppo/seed0: the stage and what it is asked to make."""
    named = [str(getattr(args, key)) for key in ("task", "method", "family", "name") if getattr(args, key, None)]
    seed = getattr(args, "seed", None)
    return " ".join([args.stage, "/".join([*named, *([] if seed is None else [f"seed{seed}"])])]).strip()


def load_stage(name: str) -> ModuleType:
    return importlib.import_module(f"rl4lms.cli.{MODULES[name][0]}")


def cost() -> str:
    """CPU time and peak memory of this process and of the children that it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in (own, children))
    unit = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss: bytes there, kilobytes elsewhere
    return f"{seconds:.1f} CPU s, {max(own.ru_maxrss, children.ru_maxrss) / unit:.0f} MB"


def quiet_libraries() -> None:
    for name, value in QUIET_LIBRARIES.items():
        os.environ.setdefault(name, value)


def prepare_process(kernels: Kernels, n_threads: int, quiet: bool) -> None:
    """Kernels and threads, on which results depend, what the libraries say by themselves, and our own log."""
    start_log(quiet)
    settle_process(kernels, n_threads)
    # The imports make a million objects that stay. To walk them costs a job 2 CPU-seconds: half now, half at its exit.
    gc.set_threshold(100_000, 20, 20)
    atexit.register(gc.freeze)
    keep_freed_memory()
    quiet_libraries()


def keep_freed_memory() -> None:
    """Freed memory stays this process's, where the C library is glibc (mallopt(3)).

    It would go back to the system after every minibatch and be asked for again, page by page: 5 to 8 % of a training.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        m_trim_threshold, m_mmap_threshold = -1, -3
        mallopt(m_trim_threshold, 2**31 - 1)
        mallopt(m_mmap_threshold, 2**25)  # larger blocks are the system's, each on its own, as glibc has it at most


def start_log(quiet: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("rl4lms").setLevel(logging.WARNING if quiet else logging.INFO)
