"""What people are asked, task by task. The axes are those of the human study in arXiv:2210.01241, the words are ours.

That study rated coherence on every task, beside one axis of the task's own: sentiment, commonsense, correctness, or
quality; each from 1 to 5.
"""

from __future__ import annotations

from dataclasses import dataclass

from rl4lms.core.errors import ConfigError, unknown

SCALE = (1, 2, 3, 4, 5)
PREFERENCE = "preference"
CHOICES = ("1", "tie", "2")  # the first text, no difference, the second


@dataclass(frozen=True)
class Criterion:
    """One axis. low, high: what 1 and 5 stand for."""

    key: str
    question: str
    low: str
    high: str


@dataclass(frozen=True)
class Wording:
    """The words of one task's pages.

    intro: what is shown; source: heading of the given text; output: what the generated one is called, in a sentence;
    compare: what to weigh when two texts are set side by side; language: of the output, as an HTML `lang`.
    """

    intro: str
    source: str
    output: str
    criteria: tuple[Criterion, ...]
    compare: str
    language: str = "en"


def _coherence(question: str) -> Criterion:
    return Criterion("coherence", question, "Cannot be understood", "Reads well throughout")


WORDING = {
    "imdb": Wording(
        intro="You see how a film review begins, and a continuation that a computer wrote. Judge the continuation.",
        source="How the review begins",
        output="continuation",
        criteria=(
            _coherence("Does the continuation make sense, and does it go on from the beginning?"),
            Criterion(
                "sentiment",
                "How does the continuation speak of the film?",
                "Very negatively",
                "Very positively",
            ),
        ),
        compare="Which continuation makes more sense and speaks more positively of the film? Sense comes first.",
    ),
    "common_gen": Wording(
        intro="You see a few words, and a sentence that a computer wrote with them. Other forms of a word count too.",
        source="Words to use",
        output="sentence",
        criteria=(
            _coherence("Is it a fluent, grammatical sentence?"),
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
    "cnn_dailymail": Wording(
        intro="You see a news article, perhaps cut off, and a summary of it that a computer wrote.",
        source="Article",
        output="summary",
        criteria=(
            _coherence("Is the summary fluent, and do its sentences hang together?"),
            Criterion(
                "quality",
                "Does it tell the main points of the article, and nothing that the article does not say?",
                "Misses the point, or is untrue",
                "All main points, all true",
            ),
        ),
        compare="Which summary tells more of the main points, and tells them truly? Style comes second.",
    ),
    "totto": Wording(
        intro="You see cells of a table, with the headings that belong to them, and a sentence that a computer wrote "
        "about these cells.",
        source="Table",
        output="sentence",
        criteria=(
            _coherence("Is it a fluent, grammatical sentence?"),
            Criterion(
                "correctness",
                "Does it say what the cells say, and nothing else?",
                "Contradicts or misses the cells",
                "Says exactly what they say",
            ),
        ),
        compare="Which sentence says more exactly what the cells say? Small slips of grammar matter less.",
    ),
    "iwslt2017": Wording(
        intro="You see an English sentence from a talk, and a German translation that a computer made. You should "
        "know both languages well.",
        source="English",
        output="German translation",
        criteria=(
            _coherence("Is the translation fluent, grammatical German?"),
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
    "narrative_qa": Wording(
        intro="You see the summary of a story, a question about it, and an answer that a computer gave.",
        source="Story and question",
        output="answer",
        criteria=(
            _coherence("Can the answer be understood as an answer to such a question?"),
            Criterion(
                "quality",
                "By the summary, is the answer right and complete?",
                "Wrong",
                "Right and complete",
            ),
        ),
        compare="Which answer is the better one by the summary? How it is worded comes second.",
    ),
    "daily_dialog": Wording(
        intro="You see a conversation between two people, and the next turn that a computer wrote.",
        source="Conversation",
        output="next turn",
        criteria=(
            _coherence("Is the turn fluent and grammatical, as spoken language goes?"),
            Criterion(
                "quality",
                "Could a person say this here? Does it answer what was said before?",
                "Does not belong here",
                "Fits, and carries the conversation on",
            ),
        ),
        compare="Which turn would a person rather say here? Small slips of grammar matter less.",
    ),
}


def wording_of(task: str) -> Wording:
    """Raises ConfigError for a task that has no words."""
    if task not in WORDING:
        raise ConfigError(unknown("task", task, WORDING, "--task"))
    return WORDING[task]
