"""`base-model`: a family's tokenizer and base model."""

from __future__ import annotations

import argparse
from pathlib import Path

from rl4lms.config.stages import stage_params
from rl4lms.core.io import write_json
from rl4lms.core.manifest import MANIFEST_FILE, build_manifest
from rl4lms.core.work_directory import input_digests
from rl4lms.training.base_model import BaseModelSettings, train_base_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", required=True, help="a family of params/base_models.yaml")
    parser.add_argument("--data", type=Path, help="directory of the prepared tasks")
    parser.add_argument("--out", type=Path, help="directory of the model")


def run(args: argparse.Namespace) -> None:
    settings = BaseModelSettings.from_params(args.family, args.params.base_model(args.family))
    train_base_model(settings, args.data, args.out)
    manifest = build_manifest(
        seed=settings.training.seed if settings.training else None,
        device="cpu",
        inputs=input_digests(
            args.data / task / f"{s}.jsonl" for task in settings.tasks for s in ("train", "validation")
        ),
        stage="base-model",
        suite=args.params.suite,
        family=args.family,
        params=stage_params(args.params, "base-model", family=args.family),
    )
    write_json(args.out / MANIFEST_FILE, manifest)
