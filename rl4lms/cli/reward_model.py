"""`reward-model`: a classifier that a reward and a metric ask."""

from __future__ import annotations

import argparse
from pathlib import Path

from rl4lms.training.reward_model import RewardModelSettings, train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="a model of params/reward_models.yaml")
    parser.add_argument("--data", type=Path, required=True, help="directory of its task's prepared rows")
    parser.add_argument("--out", type=Path, required=True, help="directory of the model")


def run(args: argparse.Namespace) -> None:
    settings = RewardModelSettings.from_params(args.name, args.params.reward_model(args.name))
    train(settings, args.data, args.out)
