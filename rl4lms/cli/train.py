"""`train`: one reinforcement-learning run of a task, from the base model or from its warm start."""

from __future__ import annotations

import argparse
from pathlib import Path

from rl4lms.config.compose import compose_rl, source_of
from rl4lms.config.inputs import local_inputs
from rl4lms.config.schema import RunConfig
from rl4lms.config.stages import STAGES
from rl4lms.core.errors import ConfigError
from rl4lms.core.launch import launch_rank
from rl4lms.core.manifest import add_to_manifest
from rl4lms.core.work_directory import publish_run, work_directory, work_path
from rl4lms.tracking.tracker import Tracker
from rl4lms.training.identity import RunIdentity
from rl4lms.training.on_policy import train_on_policy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", required=True, help="a task of the suite")
    parser.add_argument("--method", required=True, help="an algorithm of the suite, or supervised_<algorithm>")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--data", type=Path, help="directory of the task's prepared rows")
    parser.add_argument("--model", type=Path, help="directory of the model to start from")
    parser.add_argument("--reward-model", type=Path, help="directory of the classifier, for a learned reward or metric")
    parser.add_argument("--out", type=Path, help="directory of the run")


def run(args: argparse.Namespace) -> None:
    config = configure(args)
    if launch_rank() > 0:  # computes with the first process of the launch, which writes
        train_on_policy(config, work_path(args.out), evaluate_test=False)
        return
    identity = RunIdentity(config, evaluate_test=False)
    with work_directory(work_path(args.out), config.to_dict(), local_inputs(config), identity.parts) as work:
        train_on_policy(config, work, tracker=Tracker(work, quiet=args.quiet), evaluate_test=False, identity=identity)
        version = args.params.task(args.task)["version"]
        add_to_manifest(
            work, stage="train", suite=args.params.suite, task=args.task, method=args.method, task_version=version
        )
        publish_run(work, args.out, STAGES["train"].outputs)


def configure(args: argparse.Namespace) -> RunConfig:
    """The run's configuration. Raises ConfigError for an unknown task or method, or a missing directory."""
    for option, path in (("--data", args.data), ("--model", args.model), ("--reward-model", args.reward_model)):
        if path is not None and not path.is_dir():
            raise ConfigError(f"{option} {path}: no such directory; run the stage that makes it first.")
    composed = compose_rl(
        args.params,
        args.task,
        args.method,
        args.seed,
        data_dir=args.data,
        model_dir=args.model,
        reward_model_dir=args.reward_model,
    )
    return RunConfig.from_dict(composed, source_of(args.params, args.task, args.method))
