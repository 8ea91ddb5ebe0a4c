"""What the commands of scripts/reward-modeling/ do, once their process is settled (`rl4lms.cli.reward_modeling`)."""

from __future__ import annotations

import argparse
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from rl4lms.cli.prepare import prepare
from rl4lms.config.params import Params
from rl4lms.core.errors import ConfigError
from rl4lms.core.io import SCRATCH, write_json, write_text
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


def train_classifier(name: str, args: argparse.Namespace, params: Params) -> str:
    settings = _settings(name, params)
    with _local_rows(settings.task, params, args.data, args.out) as rows:
        reward_model.train_reward_model(settings, rows, args.out)
        _report(settings, str(args.out), rows / "test.jsonl", args.out)
    return _said(args.out)


def evaluate_classifier(name: str, args: argparse.Namespace, params: Params) -> str:
    settings = _settings(name, params)
    with _local_rows(settings.task, params, args.data, args.out) as rows:
        _report(settings, args.model, rows / f"{args.split}.jsonl", args.out)
    return _said(args.out)


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


def train_preference(args: argparse.Namespace, params: Params) -> str:
    given = params.preference_model()
    settings = PreferenceSettings.from_params({**given, "model_name": args.model or given["model_name"]})
    comparisons = read_comparisons(args.data)
    if args.heldout is not None:
        heldout = read_comparisons(args.heldout)
    else:
        comparisons, heldout = split_comparisons(comparisons, settings.heldout_share)
    preference_model.train_preference_model(settings, comparisons, heldout, args.out)
    return _said(args.out)


def evaluate_preference(args: argparse.Namespace, params: Params) -> str:
    settings = PreferenceSettings.from_params(params.preference_model())
    comparisons = read_comparisons(args.data)
    write_report(preference_model.evaluate(PreferenceModel(args.model), comparisons, settings.include_prompt), args.out)
    return _said(args.out)


def _said(out: Path) -> str:
    return (out / REPORT_TEXT).read_text(encoding="utf-8")
