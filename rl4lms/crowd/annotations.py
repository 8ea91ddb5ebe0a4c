"""Answers as they come back: the pages' json and csv, or a service's table with one column per form field.

Of Mechanical Turk's results, `WorkerId` and the columns `Answer.<field>` are read; of any other table, `worker` and the
columns named as the fields are ("i017.coherence").
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl4lms.core.errors import DataError
from rl4lms.core.io import open_text
from rl4lms.crowd.study import Study

LONG = ("worker", "question", "answer")
_WORKER_COLUMNS = ("worker", "WorkerId", "worker_id", "Participant id")
_FIELD = "Answer."


@dataclass(frozen=True, order=True)
class Answer:
    """One worker's answer to one question about one item."""

    item: str
    question: str
    worker: str
    value: str


def read_answers(paths: Iterable[Path], study: Study) -> list[Answer]:
    """All answers of the files, sorted; questions left open are absent, a repeated answer counts once.

    Raises DataError naming the file for answers to another study, an unknown item or value, a missing worker, and a
    worker who answered one question in two ways.
    """
    found: dict[tuple[str, str, str], tuple[str, Path]] = {}
    items, questions = {item.id for item in study.items}, study.questions
    for path in paths:
        for worker, field, value in _fields(path, study):
            item, _, question = field.rpartition(".")
            if item not in items or question not in questions:
                raise DataError(f"{path}: {field}: not a question of this study ({study.digest}).")
            if value not in questions[question]:
                expected = ", ".join(questions[question])
                raise DataError(f"{path}: {field}: found {value!r}; expected one of {expected}.")
            before, where = found.setdefault((item, question, worker), (value, path))
            if before != value:
                raise DataError(
                    f"{path}: {worker} answers {field} with {value}, in {where} with {before}; keep one of the two."
                )
    return [Answer(*key, value) for key, (value, _) in sorted(found.items())]


def _fields(path: Path, study: Study) -> Iterator[tuple[str, str, str]]:
    """(worker, field, value) of every answer in a file that is not empty."""
    records = _json_records(path) if path.suffix.lower() == ".json" else _csv_records(path, study)
    for where, record_study, worker, answers in records:
        if record_study not in ("", study.digest):
            raise DataError(f"{where}: answers to the study {record_study}; this key is of {study.digest}.")
        for field, value in answers.items():
            if value == "":
                continue
            if not worker:
                raise DataError(
                    f"{where}: answers without a worker; agreement is between workers, so each needs a name."
                )
            yield worker, field, value


def _json_records(path: Path) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    with open_text(path) as f:
        try:
            content = json.load(f)
        except ValueError as error:
            raise DataError(f"{path}: not valid JSON ({error}).") from None
    for i, record in enumerate(content if isinstance(content, list) else [content]):
        where = f"{path}, record {i + 1}" if isinstance(content, list) else str(path)
        answers = record.get("answers") if isinstance(record, dict) else None
        if not isinstance(answers, dict) or not all(isinstance(v, str | int) for v in answers.values()):
            raise DataError(f'{where}: expected an object with "worker" and "answers", as a page saves it.')
        given = {field: str(value).strip() for field, value in answers.items()}
        yield where, str(record.get("study", "")), str(record.get("worker", "")).strip(), given


def _csv_records(path: Path, study: Study) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    with open_text(path) as f:
        reader = csv.DictReader(f)
        try:
            rows, names = list(reader), reader.fieldnames or []
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path}: not a CSV file in UTF-8 ({error}).") from None
    columns = [str(name).lstrip("\ufeff") for name in names]
    rows = [dict(zip(columns, row.values(), strict=False)) for row in rows]
    worker_column = next((name for name in _WORKER_COLUMNS if name in columns), None)
    if worker_column is None:
        found = ", ".join(columns) or "none"
        raise DataError(f"{path}: no column of workers; expected one of {', '.join(_WORKER_COLUMNS)}, found {found}.")
    long = {"question", "answer"} <= set(columns)
    for i, row in enumerate(rows):
        given = {row["question"]: row["answer"]} if long else _columns(row, study)
        answers = {str(field).strip(): str(value or "").strip() for field, value in given.items()}
        record_study = row.get("study") or row.get(f"{_FIELD}study") or ""
        yield f"{path}, row {i + 2}", str(record_study).strip(), str(row[worker_column] or "").strip(), answers


def _columns(row: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """The columns of a wide table that are form fields; an item's that is not of this study is refused later."""
    questions = study.questions
    named = {name.removeprefix(_FIELD): value for name, value in row.items()}
    return {name: value for name, value in named.items() if name.rpartition(".")[2] in questions and "." in name}
