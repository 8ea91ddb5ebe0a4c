"""`supervised`: fine-tune a task's base model on its references, the warm start of RL."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from rl4lms.config.compose import compose_supervised, source_of
from rl4lms.config.inputs import local_inputs
from rl4lms.config.schema import RunConfig
from rl4lms.config.stages import STAGES
from rl4lms.core.errors import ConfigError
from rl4lms.core.manifest import add_to_manifest
from rl4lms.core.work_directory import publish_run, work_directory, work_path
from rl4lms.tracking.tracker import Tracker
from rl4lms.training.identity import RunIdentity
from rl4lms.training.supervised import train_supervised

logger = logging.getLogger(__name__)

METHOD = "supervised"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", required=True, help="a task of the suite")
    parser.add_argument("--method", default=METHOD, choices=[METHOD], help="default: %(default)s")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--data", type=Path, help="directory of the task's prepared rows")
    parser.add_argument("--model", type=Path, help="directory of the base model")
    parser.add_argument("--out", type=Path, help="directory of the run")


def run(args: argparse.Namespace) -> None:
    config = configure(args)
    for notice in config.notices:
        logger.info("%s", notice)
    identity = RunIdentity(config)
    with work_directory(work_path(args.out), config.to_dict(), local_inputs(config), identity.parts) as work:
        train_supervised(config, work, tracker=Tracker(work, quiet=args.quiet), identity=identity)
        version = args.params.task(args.task)["version"]
        add_to_manifest(
            work, stage="supervised", suite=args.params.suite, task=args.task, method=args.method, task_version=version
        )
        publish_run(work, args.out, STAGES["supervised"].outputs)


def configure(args: argparse.Namespace) -> RunConfig:
    """The run's configuration. Raises ConfigError for an unknown task, a wrong number, a missing directory."""
    for option, path in (("--data", args.data), ("--model", args.model)):
        if not path.is_dir():
            raise ConfigError(f"{option} {path}: no such directory; run the stage that makes it first.")
    composed = compose_supervised(args.params, args.task, args.seed, data_dir=args.data, model_dir=args.model)
    return RunConfig.from_dict(composed, source_of(args.params, args.task, args.method))
