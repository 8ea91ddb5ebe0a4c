"""`reward-model`: a classifier that a reward and a metric ask."""

from __future__ import annotations

import argparse
from pathlib import Path

from rl4lms.config.stages import stage_params
from rl4lms.core.io import write_json
from rl4lms.core.manifest import MANIFEST_FILE, build_manifest
from rl4lms.core.work_directory import input_digests
from rl4lms.training.reward_model import RewardModelSettings, train_reward_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="a model of params/reward_models.yaml")
    parser.add_argument("--data", type=Path, help="directory of its task's prepared rows")
    parser.add_argument("--out", type=Path, help="directory of the model")


def run(args: argparse.Namespace) -> None:
    settings = RewardModelSettings.from_params(args.name, args.params.reward_model(args.name))
    args.params.task(settings.task)  # whose module may be the user's
    train_reward_model(settings, args.data, args.out)
    manifest = build_manifest(
        seed=settings.training.seed if settings.training else None,
        device="cpu",
        inputs=input_digests(args.data / f"{split}.jsonl" for split in ("train", "validation")),
        stage="reward-model",
        suite=args.params.suite,
        name=args.name,
        params=stage_params(args.params, "reward-model", name=args.name),
    )
    write_json(args.out / MANIFEST_FILE, manifest)
