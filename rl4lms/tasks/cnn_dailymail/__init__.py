"""CNN/DailyMail: summarise a news article."""

from __future__ import annotations

from pathlib import Path

from rl4lms.data_pools.dataset import DataSet, Hub
from rl4lms.tasks.task import Task, without_prefix
from rl4lms.tasks.wording import Criterion, Wording, coherence

TASK = Task(
    label="CNN/DailyMail",
    data=DataSet(
        name="cnn_dailymail",
        folders=("cnn_dailymail", "cnn_daily_mail"),
        shape={"article": str, "highlights": str, "id": str},
        optional=frozenset({"id"}),
        key=lambda row: str(row["article"]),
        hub=Hub("abisee/cnn_dailymail", "3.0.0"),
    ),
    rows=f"{__name__}.generator:rows",
    documents=lambda row: [row["article"], row["highlights"]],
    wording=Wording(
        intro="You see a news article, perhaps cut off, and a summary of it that a computer wrote.",
        source="Article",
        output="summary",
        criteria=(
            coherence("Is the summary fluent, and do its sentences hang together?"),
            Criterion(
                "quality",
                "Does it tell the main points of the article, and nothing that the article does not say?",
                "Misses the point, or is untrue",
                "All main points, all true",
            ),
        ),
        compare="Which summary tells more of the main points, and tells them truly? Style comes second.",
    ),
    view=lambda prompt: {"text": without_prefix(prompt, "summarize:", "tl;dr:", "tldr:")},
    template=Path(__file__).with_name("view.html.j2"),
)
