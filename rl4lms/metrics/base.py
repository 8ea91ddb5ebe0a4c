"""What a metric is: texts in, named scores out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rl4lms.core.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# metric name -> (one score per text, or None if there is no such thing; the score of the whole set)
MetricResult = dict[str, tuple[list[float] | None, float]]
MetaInfo = Mapping[str, Any] | None


class BaseMetric(ABC):
    """Scores N generations. Subclasses implement `compute`; those that need no constructor arguments have none.

    key: the name of the result of a metric that has one.
    """

    key: ClassVar[str]

    @classmethod
    def result_keys(cls, args: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Every name that `compute` may give of a metric made with `args`; None if only computing can tell."""
        key = getattr(cls, "key", None)
        return None if key is None else (key,)

    @abstractmethod
    def compute(
        self,
        prompt_texts: Sequence[str] | None,
        generated_texts: Sequence[str],
        reference_texts: Sequence[Sequence[str]] | None,
        meta_infos: Sequence[MetaInfo] | None = None,
        model: PreTrainedModel | None = None,
        split_name: str | None = None,
    ) -> MetricResult:
        """All sequences have length N > 0; a metric may be given None for what it does not read.

        The score of the whole set need not be the mean of the scores per text (corpus BLEU is not).
        Raises DataError for no texts, unequal lengths, or a text without a reference if one is needed.
        """

    def labels(self) -> dict[str, str]:
        """What must be said beside the numbers because they depend on it (a word list, a checkpoint)."""
        return {}


class TextMetric(BaseMetric):
    """A metric that reads the generations alone; `score` is its hook."""

    name: ClassVar[str]

    @abstractmethod
    def score(self, texts: list[str]) -> MetricResult:
        """texts: N > 0."""

    def compute(
        self,
        prompt_texts: Sequence[str] | None,
        generated_texts: Sequence[str],
        reference_texts: Sequence[Sequence[str]] | None,
        meta_infos: Sequence[MetaInfo] | None = None,
        model: PreTrainedModel | None = None,
        split_name: str | None = None,
    ) -> MetricResult:
        check_texts(self.name, generated_texts)
        return self.score(list(generated_texts))


class ReferenceMetric(BaseMetric):
    """A metric that reads generations and references alone; `score` is its hook."""

    name: ClassVar[str]

    @abstractmethod
    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        """texts: N > 0; references: N lists of one or more strings."""

    def compute(
        self,
        prompt_texts: Sequence[str] | None,
        generated_texts: Sequence[str],
        reference_texts: Sequence[Sequence[str]] | None,
        meta_infos: Sequence[MetaInfo] | None = None,
        model: PreTrainedModel | None = None,
        split_name: str | None = None,
    ) -> MetricResult:
        return self.score(list(generated_texts), check_references(self.name, generated_texts, reference_texts))


def mean(scores: Sequence[float]) -> float:
    """Correctly rounded sum over n, so that the order of the samples cannot move it. Empty: ValueError."""
    if not scores:
        raise ValueError("mean of no scores")
    return math.fsum(scores) / len(scores)


def check_texts(metric: str, generated_texts: Sequence[str], **columns: Sequence[Any] | None) -> None:
    """Raise DataError unless there is a text and every column has one entry a text."""
    if not generated_texts:
        raise DataError(f"metric {metric}: no texts to score; expected at least one.")
    for name, column in columns.items():
        if column is None:
            raise DataError(f"metric {metric}: {name} are missing; it needs one entry for each text.")
        if len(column) != len(generated_texts):
            raise DataError(f"metric {metric}: {len(generated_texts)} texts but {len(column)} {name}.")


def check_references(
    metric: str, generated_texts: Sequence[str], reference_texts: Sequence[Sequence[str]] | None
) -> list[list[str]]:
    """The references as lists, one or more (possibly empty strings) for each text, or DataError."""
    check_texts(metric, generated_texts, references=reference_texts)
    checked = []
    for index, references in enumerate(reference_texts or ()):
        if isinstance(references, str) or not isinstance(references, Iterable):
            found = type(references).__name__
            raise DataError(f"metric {metric}: references of text {index}: expected a list of strings, found {found}.")
        if not references:
            raise DataError(f"metric {metric}: text {index} has no reference; give it at least one.")
        checked.append(list(references))
    return checked
