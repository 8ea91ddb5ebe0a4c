"""`crowd export`: pages that ask people about generations. `crowd import`: what their answers say."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rl4lms.config.params import Params
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import read_json, write_json, write_jsonl, write_text
from rl4lms.core.tables import TASKS
from rl4lms.crowd.annotations import Answer, answers_of, page_rows, read_handed_in
from rl4lms.crowd.pages import write_study
from rl4lms.crowd.results import preferences, results
from rl4lms.crowd.study import KEY_FILE, KINDS, Study, make_study
from rl4lms.crowd.summary import summary
from rl4lms.results.run_directory import SPLITS, RunDirectory, read_predictions
from rl4lms.results.table_formats import to_csv

log = logging.getLogger(__name__)

ANSWER_COLUMNS = ("item", "sample_id", "methods", "worker", "question", "answer")
PAGE_COLUMNS = ("worker", "page", "seconds", "comment")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", metavar="export | import", required=True)
    for name, about, add in (
        ("export", "write the pages of a study", _add_export),
        ("import", "read the answers to a study", _add_import),
    ):
        action = commands.add_parser(name, help=about, description=about, allow_abbrev=False)
        add(action)
        action.add_argument("--params-dir", type=Path, default=Path("params"), help="of a task of your own")
        # Taken here too, where people write it; without a default it leaves alone what came before.
        action.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help="warnings and errors only")


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=KINDS, required=True, help="rate each text, or choose between two")
    parser.add_argument("--task", required=True, help=f"one of {', '.join(TASKS.ids())}")
    parser.add_argument(
        "--predictions",
        required=True,
        nargs="+",
        metavar="METHOD=PATH",
        help="a method and its run or scores directory, or a predictions file; several for pairs",
    )
    parser.add_argument("--split", choices=SPLITS, default="test", help="of run directories (default: %(default)s)")
    parser.add_argument("--samples", type=int, help="how many, drawn at random (default: all)")
    parser.add_argument("--per-page", type=int, default=10, help="texts or pairs on a page (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of samples and order (default: %(default)s)")
    parser.add_argument("--baseline", metavar="METHOD", help="pairs of this method and each other one alone")
    parser.add_argument("--submit-to", metavar="URL", help="where the form is posted (default: see docs/crowdwork.md)")
    parser.add_argument("--out", type=Path, required=True, help="directory of the study")


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", type=Path, required=True, help="directory that crowd export wrote, or its key.json")
    parser.add_argument("--answers", type=Path, nargs="+", required=True, help="json and csv files, or directories")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="directory of the results")


def run(args: argparse.Namespace) -> None:
    if args.action == "export":
        _export(args)
    else:
        _import(args)


def _know(task: str, args: argparse.Namespace) -> None:
    """A task of the user's is where its params say."""
    if task not in TASKS.ids() and (args.params_dir / "tasks" / f"{task}.yaml").is_file():
        Params.open(args.params_dir).task(task)


def _export(args: argparse.Namespace) -> None:
    _know(args.task, args)
    study = make_study(
        args.kind,
        args.task,
        {method: _predictions(path, args.split) for method, path in _named_paths(args.predictions).items()},
        n_samples=args.samples,
        per_page=args.per_page,
        seed=args.seed,
        baseline=args.baseline,
    )
    pages = write_study(study, args.out, args.submit_to)
    log.info("%d items about %d samples on %d pages: %s", len(study.items), len(study.samples), len(pages), args.out)
    if study.equal:
        log.info("%d pairs have equal texts; nobody is asked about them.", len(study.equal))
    log.info("Give away pages/ alone: %s says which method wrote what.", args.out / KEY_FILE)


def _named_paths(given: Sequence[str]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for each in given:
        method, mark, path = each.partition("=")
        if not mark or not method or not path:
            raise ConfigError(f"--predictions {each}: expected METHOD=PATH, as ppo=results/tiny/scores/imdb/ppo/seed0.")
        if method in named:
            raise ConfigError(f"--predictions: {method} is there twice; give each run a name of its own.")
        named[method] = Path(path)
    return named


def _predictions(path: Path, split: str) -> list[dict[str, Any]]:
    if path.is_file():
        return read_predictions(path)
    rows = RunDirectory.open(path).predictions(split)
    if not rows:
        raise DataError(f"{path}: no predictions of the split {split}; evaluate the run, or give another --split.")
    return rows


def _import(args: argparse.Namespace) -> None:
    key = args.study / KEY_FILE if args.study.is_dir() else args.study
    content = read_json(key)
    _know(str(content.get("task") if isinstance(content, dict) else None), args)
    study = Study.read(key)
    handed_in = read_handed_in(_files(args.answers), study)
    answers = answers_of(handed_in, study)
    found = results(study, answers, seed=args.seed)
    pairs = preferences(study, answers) if study.kind == "pairwise" else []
    text = summary(found, len(pairs))
    write_text(args.out / "answers.csv", to_csv(_answer_rows(study, answers), ANSWER_COLUMNS))
    write_text(args.out / "pages.csv", to_csv(page_rows(handed_in), PAGE_COLUMNS))
    write_json(args.out / "results.json", found.to_dict())
    write_text(args.out / "results.md", text)
    if study.kind == "pairwise":
        write_jsonl(args.out / "preferences.jsonl", pairs)
    log.info("%s", text)
    log.info("Results: %s", args.out)


def _files(paths: Sequence[Path]) -> list[Path]:
    """The json and csv files given, and those in directories given. Raises DataError for a directory without any."""
    files = []
    for path in paths:
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in (".json", ".csv")) if path.is_dir() else [path]
        if not inside:
            raise DataError(f"{path}: no json or csv file in it.")
        files += inside
    return files


def _answer_rows(study: Study, answers: Sequence[Answer]) -> list[dict[str, str]]:
    items = {item.id: item for item in study.items}
    return [
        {
            "item": answer.item,
            "sample_id": items[answer.item].sample_id,
            "methods": " ".join(items[answer.item].methods),
            "worker": answer.worker,
            "question": answer.question,
            "answer": answer.value,
        }
        for answer in answers
    ]
