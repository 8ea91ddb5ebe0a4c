"""The commands of scripts/reward-modeling/: train and evaluate a classifier or a preference model on local data.

A classifier is made by the stage `reward-model`, from rows that `prepare` makes of the local ones; what is added here
is a report on a split that neither saw. Exit code 2 and one line for bad input, as every command of the package has.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from rl4lms.cli.main import INTERRUPTED, prepare_process
from rl4lms.cli.prepare import prepare
from rl4lms.config.params import Params
from rl4lms.core.errors import ConfigError, report
from rl4lms.core.io import SCRATCH, write_json, write_text
from rl4lms.core.streams import keep_standard_streams
from rl4lms.evaluation.classification import classification_report, report_text, rounded
from rl4lms.metrics.classifier import TextClassifier
from rl4lms.metrics.preference import PreferenceModel
from rl4lms.training import preference_model, reward_model
from rl4lms.training.preference_model import (
    REPORT,
    REPORT_TEXT,
    PreferenceSettings,
    read_comparisons,
    split_comparisons,
    write_report,
)
from rl4lms.training.reward_model import RewardModelSettings, read_texts

SPLITS = ("train", "validation", "test")


def train_classifier(name: str, argv: Sequence[str] | None = None) -> int:
    """name: of params/reward_models.yaml. Writes the model and its report on the test split into --out."""
    parser = _parser(f"Train the classifier {name} of params/reward_models.yaml on local rows, and report on its test.")
    _add_data(parser)
    parser.add_argument("--out", type=Path, required=True, help="directory of the model and its report")
    return _run(parser, argv, lambda args, params: _train_classifier(name, args, params))


def evaluate_classifier(name: str, argv: Sequence[str] | None = None) -> int:
    """Writes the report of any classifier with the labels of `name` on a split of local rows into --out."""
    parser = _parser(f"Report on a classifier with the labels of {name} in params/reward_models.yaml.")
    _add_data(parser)
    parser.add_argument("--model", required=True, help="directory or hub id of the classifier")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, help="directory of the report")
    return _run(parser, argv, lambda args, params: _evaluate_classifier(name, args, params))


def train_preference(argv: Sequence[str] | None = None) -> int:
    """Writes a preference model and its report on held-out pairs into --out."""
    parser = _parser('Train a seq2seq model that answers "good" or "bad" from pairs, and report on held-out ones.')
    parser.add_argument("--data", type=Path, required=True, help="jsonl of prompt, chosen, rejected, sample_id")
    parser.add_argument("--heldout", type=Path, help="pairs to report on (default: a share of the prompts of --data)")
    parser.add_argument("--model", help="seq2seq model to train on from (default: model_name of the params)")
    parser.add_argument("--out", type=Path, required=True, help="directory of the model and its report")
    return _run(parser, argv, _train_preference)


def evaluate_preference(argv: Sequence[str] | None = None) -> int:
    """Writes the report of any preference model on pairs into --out."""
    parser = _parser("Report on a preference model.")
    parser.add_argument("--data", type=Path, required=True, help="jsonl of prompt, chosen, rejected, sample_id")
    parser.add_argument("--model", required=True, help="directory or hub id of the preference model")
    parser.add_argument("--out", type=Path, required=True, help="directory of the report")
    return _run(parser, argv, _evaluate_preference)


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--params-dir", type=Path, default=Path("params"), help="default: %(default)s")
    parser.add_argument("--suite", help="params/ overlaid by params/suites/SUITE/ (default: grue.yaml's suite)")
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="directory of rows in the data set's columns")


def _run(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, work: Callable[[argparse.Namespace, Params], None]
) -> int:
    keep_standard_streams()
    args = parser.parse_args(argv)
    try:
        params = Params.open(args.params_dir, args.suite)
        n_threads = params.grue()["n_threads"]
        prepare_process(n_threads, quiet=True)
        torch.set_num_threads(n_threads)  # loaded already, so the environment comes too late for it
        work(args, params)
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 130
    except BaseException as error:
        return report(error)
    print((args.out / REPORT_TEXT).read_text(encoding="utf-8"), end="")
    return 0


def _settings(name: str, params: Params) -> RewardModelSettings:
    return RewardModelSettings.from_params(name, params.reward_model(name))


@contextlib.contextmanager
def _local_rows(task: str, params: Params, source: Path, out: Path) -> Iterator[Path]:
    """A directory with all local rows as train.jsonl, validation.jsonl and test.jsonl, no key in two of them.

    Beside `out`, under one name, so that a training that is started again finds the same inputs; removed at the end.
    """
    data = params.task(task)["data"]
    rows = out.parent / f".{out.name}.rows{SCRATCH}"
    try:
        prepare(task, {**data, "folder": None, "n_train": None, "n_val": None, "n_test": None}, rows, source)
        yield rows
    finally:
        shutil.rmtree(rows, ignore_errors=True)


def _train_classifier(name: str, args: argparse.Namespace, params: Params) -> None:
    settings = _settings(name, params)
    with _local_rows(settings.task, params, args.data, args.out) as rows:
        reward_model.train(settings, rows, args.out)
        _report(settings, str(args.out), rows / "test.jsonl", args.out)


def _evaluate_classifier(name: str, args: argparse.Namespace, params: Params) -> None:
    settings = _settings(name, params)
    with _local_rows(settings.task, params, args.data, args.out) as rows:
        _report(settings, args.model, rows / f"{args.split}.jsonl", args.out)


def _report(settings: RewardModelSettings, model: str, rows: Path, out: Path) -> None:
    """The texts as rewards ask about them, by the class that rewards ask."""
    labels = list(settings.labels)
    texts = read_texts(settings.task, rows, len(labels))
    classifier = TextClassifier(model)
    if classifier.n_labels != len(labels):
        raise ConfigError(f'classifier "{model}": {classifier.n_labels} labels, expected {len(labels)}: {labels}.')
    chances = classifier.probabilities([text.head + text.tail for text in texts]).double().tolist()
    report = rounded(classification_report([text.label for text in texts], chances, labels))
    write_json(out / REPORT, report)
    write_text(out / REPORT_TEXT, report_text(report))


def _train_preference(args: argparse.Namespace, params: Params) -> None:
    given = params.preference_model()
    settings = PreferenceSettings.from_params({**given, "model_name": args.model or given["model_name"]})
    comparisons = read_comparisons(args.data)
    if args.heldout is not None:
        heldout = read_comparisons(args.heldout)
    else:
        comparisons, heldout = split_comparisons(comparisons, settings.heldout_share)
    preference_model.train(settings, comparisons, heldout, args.out)


def _evaluate_preference(args: argparse.Namespace, params: Params) -> None:
    settings = PreferenceSettings.from_params(params.preference_model())
    comparisons = read_comparisons(args.data)
    write_report(preference_model.evaluate(PreferenceModel(args.model), comparisons, settings.include_prompt), args.out)
