"""The commands of scripts/reward-modeling/: train and evaluate a classifier or a preference model on local data.

A classifier is made by the stage `reward-model`, from rows that `prepare` makes of the local ones; what is added here
is a report on a split that neither saw. Exit code 2 and one line for bad input, as every command of the package has.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rl4lms.cli.main import INTERRUPTED, prepare_process
from rl4lms.config.params import Params
from rl4lms.core.errors import report_error
from rl4lms.core.registry import Registry
from rl4lms.core.streams import keep_standard_streams

SPLITS = ("train", "validation", "test")
# What each does, and the text of the report that it wrote. Loaded once the process is settled, for they import torch.
JOBS = Registry(
    "job",
    {
        name: f"rl4lms.cli.reward_modeling_jobs:{name}_job"
        for name in ("train_classifier", "evaluate_classifier", "train_preference", "evaluate_preference")
    },
)


def train_classifier(name: str, argv: Sequence[str] | None = None) -> int:
    """name: of params/reward_models.yaml. Writes the model and its report on the test split into --out."""
    parser = _parser(f"Train the classifier {name} of params/reward_models.yaml on local rows, and report on its test.")
    _add_data(parser)
    parser.add_argument("--out", type=Path, required=True, help="directory of the model and its report")
    return _run(parser, argv, "train_classifier", name)


def evaluate_classifier(name: str, argv: Sequence[str] | None = None) -> int:
    """Writes the report of any classifier with the labels of `name` on a split of local rows into --out."""
    parser = _parser(f"Report on a classifier with the labels of {name} in params/reward_models.yaml.")
    _add_data(parser)
    parser.add_argument("--model", required=True, help="directory or hub id of the classifier")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, help="directory of the report")
    return _run(parser, argv, "evaluate_classifier", name)


def train_preference(argv: Sequence[str] | None = None) -> int:
    """Writes a preference model and its report on held-out pairs into --out."""
    parser = _parser('Train a seq2seq model that answers "good" or "bad" from pairs, and report on held-out ones.')
    parser.add_argument("--data", type=Path, required=True, help="jsonl of prompt, chosen, rejected, sample_id")
    parser.add_argument("--heldout", type=Path, help="pairs to report on (default: a share of the prompts of --data)")
    parser.add_argument("--model", help="seq2seq model to train on from (default: model_name of the params)")
    parser.add_argument("--out", type=Path, required=True, help="directory of the model and its report")
    return _run(parser, argv, "train_preference")


def evaluate_preference(argv: Sequence[str] | None = None) -> int:
    """Writes the report of any preference model on pairs into --out."""
    parser = _parser("Report on a preference model.")
    parser.add_argument("--data", type=Path, required=True, help="jsonl of prompt, chosen, rejected, sample_id")
    parser.add_argument("--model", required=True, help="directory or hub id of the preference model")
    parser.add_argument("--out", type=Path, required=True, help="directory of the report")
    return _run(parser, argv, "evaluate_preference")


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--params-dir", type=Path, default=Path("params"), help="default: %(default)s")
    parser.add_argument("--suite", help="params/ overlaid by params/suites/SUITE/ (default: grue.yaml's suite)")
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="directory of rows in the data set's columns")


def _run(parser: argparse.ArgumentParser, argv: Sequence[str] | None, job: str, *names: str) -> int:
    keep_standard_streams()
    args = parser.parse_args(argv)
    try:
        params = Params.open(args.params_dir, args.suite)
        grue = params.grue()
        prepare_process(grue["kernels"], grue["n_threads"], quiet=True)
        text = JOBS.load(job)(*names, args, params)
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 130
    except BaseException as error:
        return report_error(error)
    print(text, end="")
    return 0
