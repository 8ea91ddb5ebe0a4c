"""NarrativeQA: answer a question about a story from its summary."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rl4lms.core.errors import DataError
from rl4lms.data_pools.dataset import DataSet, Hub, Located, Row
from rl4lms.tasks.task import Task
from rl4lms.tasks.wording import Criterion, Wording, coherence

_UNIFIEDQA = "https://storage.googleapis.com/unifiedqa/data/narrativeqa"


def unifiedqa_rows(lines: Iterable[tuple[int, str]], where: str) -> Located:
    r"""UnifiedQA's lines "question \n summary <tab> answer" (the \n is two characters), one row per question.

    The file is not quoted: a quotation mark is text (RL4LMs reads it as CSV quoting, which can swallow lines).
    """
    rows: dict[str, tuple[str, Row]] = {}
    for number, line in lines:
        prompt, tab, answer = line.partition("\t")
        question, separator, summary = prompt.partition(" \\n ")
        if not tab or not separator:
            raise DataError(f'{where}, line {number}: expected "question \\n summary<tab>answer".')
        if prompt not in rows:
            document = {"summary": {"text": summary.removesuffix(" ")}}
            rows[prompt] = f"line {number}", {"document": document, "question": {"text": question}, "answers": []}
        rows[prompt][1]["answers"].append({"text": answer})
    yield from rows.values()


def _documents(row: Row) -> list[str]:
    texts = [row["document"]["summary"]["text"], row["question"]["text"], *(a["text"] for a in row["answers"])]
    return [text.lower() for text in texts]  # as the pool's prompts and references are


def _question(prompt: str) -> dict[str, Any]:
    r"""UnifiedQA's form: the question, backslash and n, the story."""
    question, mark, story = prompt.partition("\\n")
    return {"question": question.strip(), "story": story.strip()} if mark else {}


TASK = Task(
    label="NarrativeQA",
    data=DataSet(
        name="narrative_qa",
        folders=("narrative_qa", "narrativeqa"),
        # columns of the hub's deepmind/narrativeqa; of `document` only the summary is read
        shape={"document": {"summary": {"text": str}}, "question": {"text": str}, "answers": [{"text": str}]},
        key=lambda row: str(row["document"]["summary"]["text"]),
        check=lambda row: None if row["answers"] else "column answers: expected at least one, found none",
        # the lines that RL4LMs trains on
        hub=Hub(
            "text",
            files={
                "train": (f"{_UNIFIEDQA}/train.tsv",),
                "validation": (f"{_UNIFIEDQA}/dev.tsv",),
                "test": (f"{_UNIFIEDQA}/test.tsv",),
            },
        ),
        parse_lines=unifiedqa_rows,
    ),
    rows=f"{__name__}.generator:rows",
    documents=_documents,
    wording=Wording(
        intro="You see the summary of a story, a question about it, and an answer that a computer gave.",
        source="Story and question",
        output="answer",
        criteria=(
            coherence("Can the answer be understood as an answer to such a question?"),
            Criterion("quality", "By the summary, is the answer right and complete?", "Wrong", "Right and complete"),
        ),
        compare="Which answer is the better one by the summary? How it is worded comes second.",
    ),
    view=_question,
    template=Path(__file__).with_name("view.html.j2"),
)
