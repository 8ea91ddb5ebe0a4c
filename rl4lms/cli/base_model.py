"""`base-model`: a family's tokenizer and base model."""

from __future__ import annotations

import argparse
from pathlib import Path

from rl4lms.training.base_model import BaseModelSettings, train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", required=True, help="a family of params/base_models.yaml")
    parser.add_argument("--data", type=Path, required=True, help="directory of the prepared tasks")
    parser.add_argument("--out", type=Path, required=True, help="directory of the model")


def run(args: argparse.Namespace) -> None:
    train(BaseModelSettings.from_params(args.family, args.params.base_model(args.family)), args.data, args.out)
