"""IWSLT 2017: translate a sentence of a talk from English to German."""

from __future__ import annotations

from rl4lms.data_pools.dataset import DataSet, converted
from rl4lms.tasks.task import Task, without_prefix
from rl4lms.tasks.wording import Criterion, Wording, coherence

TASK = Task(
    label="IWSLT 2017",
    data=DataSet(
        name="iwslt2017",
        folders=("iwslt2017", "iwslt2017en_de", "translation_en_de"),
        shape={"translation": {"en": str, "de": str}},
        key=lambda row: str(row["translation"]["en"]),
        hub=converted("IWSLT/iwslt2017", "iwslt2017-de-en"),
    ),
    rows=f"{__name__}.generator:rows",
    documents=lambda row: [row["translation"]["en"], row["translation"]["de"]],
    wording=Wording(
        intro="You see an English sentence from a talk, and a German translation that a computer made. You should "
        "know both languages well.",
        source="English",
        output="German translation",
        criteria=(
            coherence("Is the translation fluent, grammatical German?"),
            Criterion(
                "quality",
                "Does it mean what the English sentence means?",
                "Means something else",
                "Same meaning, nothing lost",
            ),
        ),
        compare="Which translation keeps more of the meaning? Fluency comes second.",
        language="de",
    ),
    view=lambda prompt: {"text": without_prefix(prompt, "translate english to german:")},
)
