"""Answers as they come back: the pages' json and csv, or a service's table with one column per form field.

Of Mechanical Turk's results, `WorkerId` and the columns `Answer.<field>` are read; of any other table, `worker` and the
columns named as the fields are ("i017.coherence").
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl4lms.core.errors import DataError
from rl4lms.core.io import open_text, parse_json
from rl4lms.crowd.study import Study
from rl4lms.results.table_formats import FORMULA_STARTS

_WORKER_COLUMNS = ("worker", "WorkerId", "worker_id", "Participant id")
_FIELD = "Answer."
_FACTS = ("study", "worker", "page", "seconds", "comment")
# Where Mechanical Turk and Prolific say what became of somebody's work, and how they call work that does not count.
_STATUS_COLUMNS = ("AssignmentStatus", "Status", "status")
_REJECTED = ("rejected", "returned", "timed-out")
log = logging.getLogger(__name__)


@dataclass(frozen=True, order=True)
class Answer:
    """One worker's answer to one question about one item."""

    item: str
    question: str
    worker: str
    value: str


@dataclass(frozen=True)
class HandedIn:
    """A worker's page, or a row of a table of answers. where: for messages; answers: field -> value, "" left open.

    seconds, comment: "" where the form that it came in has none.
    """

    where: str
    study: str
    worker: str
    page: str
    answers: Mapping[str, str]
    seconds: str = ""
    comment: str = ""


def read_handed_in(paths: Iterable[Path], study: Study) -> list[HandedIn]:
    """What the files hold. Raises DataError naming the file for answers to another study and for a missing worker."""
    found = []
    for path in paths:
        for each in _of_json(path) if path.suffix.lower() == ".json" else _of_csv(path, study):
            if each.study not in ("", study.digest):
                raise DataError(f"{each.where}: answers to the study {each.study}; this key is of {study.digest}.")
            if not each.worker and any(each.answers.values()):
                raise DataError(
                    f"{each.where}: answers without a worker; agreement is between workers, so each needs a name."
                )
            found.append(each)
    return found


def answers_of(handed_in: Iterable[HandedIn], study: Study) -> list[Answer]:
    """All answers, sorted; questions left open are absent, a repeated answer counts once.

    Raises DataError naming the file for an unknown item or value, and a worker who answered one question in two ways.
    """
    found: dict[tuple[str, str, str], tuple[str, str]] = {}
    items, questions = {item.id for item in study.items}, study.questions
    for each in handed_in:
        for field, value in each.answers.items():
            item, _, question = field.rpartition(".")
            if not value:
                continue
            if item not in items or question not in questions:
                raise DataError(f"{each.where}: {field}: not a question of this study ({study.digest}).")
            if value not in questions[question]:
                expected = ", ".join(questions[question])
                raise DataError(f"{each.where}: {field}: found {value!r}; expected one of {expected}.")
            before, where = found.setdefault((item, question, each.worker), (value, each.where))
            if before != value:
                raise DataError(
                    f"{each.where}: {each.worker} answers {field} with {value}, in {where} with {before}; keep one of "
                    "the two."
                )
    return [Answer(*key, value) for key, (value, _) in sorted(found.items())]


def page_rows(handed_in: Iterable[HandedIn]) -> list[dict[str, str]]:
    """worker, page, seconds and comment of every page that was handed in, each once."""
    rows = {(h.worker, h.page, h.seconds, h.comment) for h in handed_in if h.worker}
    return [dict(zip(("worker", "page", "seconds", "comment"), row, strict=True)) for row in sorted(rows)]


def _of_json(path: Path) -> Iterator[HandedIn]:
    with open_text(path) as f:
        try:
            content = parse_json(f.read())
        except ValueError as error:
            raise DataError(f"{path}: not valid JSON ({error}).") from None
    for i, record in enumerate(content if isinstance(content, list) else [content]):
        where = f"{path}, record {i + 1}" if isinstance(content, list) else str(path)
        answers = record.get("answers") if isinstance(record, dict) else None
        if not isinstance(answers, dict):
            raise DataError(f'{where}: expected an object with "worker" and "answers", as a page saves it.')
        facts = {key: _text(record.get(key), f"{where}: {key}") for key in _FACTS}
        yield HandedIn(where=where, answers={k: _text(v, f"{where}: {k}") for k, v in answers.items()}, **facts)


def _text(value: Any, what: str) -> str:
    """A text or a number as text; "" for null."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(f"{what}: expected text or a number, found {type(value).__name__}.")
    return str(value).strip()


def _of_csv(path: Path, study: Study) -> Iterator[HandedIn]:
    with open_text(path) as f:
        reader = csv.DictReader(f)
        try:
            rows, names = list(reader), reader.fieldnames or []
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path}: not a CSV file in UTF-8 ({error}).") from None
    columns = [str(name).strip() for name in names]
    worker = next((name for name in _WORKER_COLUMNS if name in columns), None)
    if worker is None:
        found = ", ".join(columns) or "none"
        raise DataError(f"{path}: no column of workers; expected one of {', '.join(_WORKER_COLUMNS)}, found {found}.")
    fields = {name: name.removeprefix(_FIELD) for name in columns}
    rejected = 0
    for i, row in enumerate(rows):
        given = {fields[name]: _cell(value) for name, value in zip(columns, row.values(), strict=False)}
        if any(given.get(column, "").lower() in _REJECTED for column in _STATUS_COLUMNS):
            rejected += 1
            continue
        facts = {key: given.get(key, "") for key in _FACTS if key != "worker"}
        yield HandedIn(where=f"{path}, row {i + 2}", worker=given[worker], answers=_answers(given, study), **facts)
    if rejected:
        log.warning(
            "%s: %d of %d rows left out: the service says that their work was rejected.", path, rejected, len(rows)
        )


def _cell(value: Any) -> str:
    """What a cell holds; an apostrophe that keeps a spreadsheet from computing it is none of it."""
    text = str(value or "").strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text


def _answers(given: Mapping[str, str], study: Study) -> dict[str, str]:
    """Of a row of the pages' csv, its one answer; of a wide one, the columns named as fields of any study are."""
    if {"question", "answer"} <= given.keys():
        return {given["question"]: given["answer"]}
    questions = study.questions
    return {name: value for name, value in given.items() if "." in name and name.rpartition(".")[2] in questions}
