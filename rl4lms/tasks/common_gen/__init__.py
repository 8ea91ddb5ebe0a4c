"""CommonGen: write a sentence that contains every given concept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rl4lms.core.io import canonical_json
from rl4lms.data_pools.dataset import DataSet, Row, converted
from rl4lms.tasks.task import Task, without_prefix
from rl4lms.tasks.wording import Criterion, Wording, coherence


def _merge_targets(rows: list[Row]) -> Row:
    """Train has one row per sentence, held-out splits one row per concept set with all its sentences."""
    targets = list(dict.fromkeys(row["target"] for row in rows))
    return {**rows[0], "target": targets[0], "references": targets}


def _documents(row: Row) -> list[str]:
    return [" ".join(row["concepts"]), *(row["references"] or [row["target"]])]


def _words(prompt: str) -> dict[str, Any]:
    text = without_prefix(prompt, "generate a sentence with:", "summarize:")
    return {"text": text, "words": text.rstrip(". ").replace(",", " ").split()}


TASK = Task(
    label="CommonGen",
    data=DataSet(
        name="common_gen",
        folders=("common_gen", "commongen"),
        shape={"gem_id": str, "concept_set_id": int, "concepts": [str], "target": str, "references": [str]},
        optional=frozenset({"gem_id", "concept_set_id", "references"}),
        key=lambda row: canonical_json(sorted(row["concepts"])),
        check=lambda row: None if row["concepts"] else "column concepts: expected at least one, found none",
        hub=converted("GEM/gem", "common_gen"),
        merge=_merge_targets,
    ),
    rows=f"{__name__}.generator:rows",
    documents=_documents,
    wording=Wording(
        intro="You see a few words, and a sentence that a computer wrote with them. Other forms of a word count too.",
        source="Words to use",
        output="sentence",
        criteria=(
            coherence("Is it a fluent, grammatical sentence?"),
            Criterion(
                "commonsense",
                "Does it use all the words, and describe something that could happen in daily life?",
                "Words missing, or impossible",
                "All words, entirely plausible",
            ),
        ),
        compare="Which sentence describes the more plausible scene with all the words? Small slips of grammar matter "
        "less.",
    ),
    view=_words,
    template=Path(__file__).with_name("view.html.j2"),
)
