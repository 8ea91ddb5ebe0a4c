"""DailyDialog: give the next utterance of a chit-chat dialogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rl4lms.core.io import canonical_json
from rl4lms.data_pools.dataset import DataSet, Row, converted
from rl4lms.metrics.learned import EOU_TOKEN, intent_classifier_input
from rl4lms.tasks.task import LabelledText, Task
from rl4lms.tasks.wording import Criterion, Wording, coherence


def _check(row: Row) -> str | None:
    lengths = {name: len(row[name]) for name in ("dialog", "act", "emotion")}
    if len(set(lengths.values())) == 1:
        return None
    return "columns dialog, act, emotion: expected equally long lists, found " + ", ".join(map(str, lengths.values()))


def _labelled(row: Row) -> list[LabelledText]:
    """Every utterance that has one before it, with the act of the later one, in the form that the reward asks about.

    The response begins with a space, as a generation does, and training may leave its mark away.
    """
    turns = zip(row["dialog"], row["dialog"][1:], row["act"][1:], strict=False)
    return [
        LabelledText(intent_classifier_input(f"{before} {EOU_TOKEN}", ""), f" {after}{EOU_TOKEN}", act - 1)
        for before, after, act in turns
    ]


def _turns(prompt: str) -> dict[str, Any]:
    return {"turns": [turn.strip() for turn in prompt.split(EOU_TOKEN) if turn.strip()]}


TASK = Task(
    label="DailyDialog",
    data=DataSet(
        name="daily_dialog",
        folders=("daily_dialog", "dailydialog"),
        shape={"dialog": [str], "act": [int], "emotion": [int]},  # act 1-4: inform, question, directive, commissive
        key=lambda row: canonical_json(row["dialog"]),
        hub=converted("li2017dailydialog/daily_dialog", "default"),
        check=_check,
    ),
    rows=f"{__name__}.generator:rows",
    documents=lambda row: [str(turn) for turn in row["dialog"]],
    markup=f" {EOU_TOKEN}",
    labelled=_labelled,
    wording=Wording(
        intro="You see a conversation between two people, and the next turn that a computer wrote.",
        source="Conversation",
        output="next turn",
        criteria=(
            coherence("Is the turn fluent and grammatical, as spoken language goes?"),
            Criterion(
                "quality",
                "Could a person say this here? Does it answer what was said before?",
                "Does not belong here",
                "Fits, and carries the conversation on",
            ),
        ),
        compare="Which turn would a person rather say here? Small slips of grammar matter less.",
    ),
    view=_turns,
    output=lambda text: text.replace(EOU_TOKEN, " "),
    template=Path(__file__).with_name("view.html.j2"),
)
