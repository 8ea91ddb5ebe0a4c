"""What people are asked about a task's texts.

The axes are those of the human study in arXiv:2210.01241, the words are this project's. That study rated coherence on
every task, beside one axis of the task's own: sentiment, commonsense, correctness, or quality; each from 1 to 5.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Criterion:
    """One axis. low, high: what 1 and 5 stand for."""

    key: str
    question: str
    low: str
    high: str


def coherence(question: str) -> Criterion:
    return Criterion("coherence", question, "Cannot be understood", "Reads well throughout")


@dataclass(frozen=True)
class Wording:
    """The words of one task's pages; the defaults serve any task.

    intro: what is shown; source: heading of the given text; output: what the generated one is called, in a sentence;
    compare: what to weigh when two texts are set side by side; language: of the output, as an HTML `lang`.
    """

    intro: str = "You see a text, and what a computer wrote in answer to it."
    source: str = "Given"
    output: str = "answer"
    criteria: tuple[Criterion, ...] = (
        coherence("Is it fluent and grammatical?"),
        Criterion("quality", "Is it a good answer to what is given?", "Useless", "As good as can be"),
    )
    compare: str = "Which is the better answer? Small slips of grammar matter less."
    language: str = "en"
