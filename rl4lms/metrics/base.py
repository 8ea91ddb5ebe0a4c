"""The base classes of metrics, which turn texts into named scores."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rl4lms.core.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# result name -> (one score per text, or None if the metric has none; the score of the whole set)
MetricResult = dict[str, tuple[list[float] | None, float]]
MetaInfo = Mapping[str, Any] | None


class BaseMetric(ABC):
    """Scores N generations. Subclasses implement `compute`.

    key: the name of the result, for a metric that has exactly one.
    """

    key: ClassVar[str]

    @classmethod
    def result_keys(cls, args: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The names of all results of a metric constructed with `args`; None if they are not known in advance."""
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
        """The scores of `generated_texts`. All sequences have length N > 0, or are None if the metric ignores them.

        The score of the whole set need not be the mean of the scores per text; that of corpus BLEU is not. Raises
        DataError if there are no texts, lengths differ, or a reference that the metric needs is missing.
        """

    def labels(self) -> dict[str, str]:
        """Result name -> a note to show beside its numbers, because they depend on it (a checkpoint, a word list)."""
        return {}


class Samples(NamedTuple):
    """The arguments of `BaseMetric.compute`."""

    prompts: Sequence[str] | None
    texts: Sequence[str]
    references: Sequence[Sequence[str]] | None
    meta_infos: Sequence[MetaInfo] | None
    model: PreTrainedModel | None
    split: str | None


class SampleMetric(BaseMetric):
    """A metric of this library: it implements `score_samples`, or the narrower `score` of a subclass."""

    name: str

    @abstractmethod
    def score_samples(self, samples: Samples) -> MetricResult:
        """`compute` with its arguments as one value."""

    def compute(
        self,
        prompt_texts: Sequence[str] | None,
        generated_texts: Sequence[str],
        reference_texts: Sequence[Sequence[str]] | None,
        meta_infos: Sequence[MetaInfo] | None = None,
        model: PreTrainedModel | None = None,
        split_name: str | None = None,
    ) -> MetricResult:
        return self.score_samples(
            Samples(prompt_texts, generated_texts, reference_texts, meta_infos, model, split_name)
        )


class TextMetric(SampleMetric):
    """A metric that reads only the generations."""

    @abstractmethod
    def score(self, texts: list[str]) -> MetricResult:
        """The scores of N > 0 texts."""

    def score_samples(self, samples: Samples) -> MetricResult:
        check_texts(self.name, samples.texts)
        return self.score(list(samples.texts))


class ReferenceMetric(SampleMetric):
    """A metric that reads only the generations and their references."""

    @abstractmethod
    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        """The scores of N > 0 texts, each with a list of one or more references."""

    def score_samples(self, samples: Samples) -> MetricResult:
        return self.score(list(samples.texts), check_references(self.name, samples.texts, samples.references))


def mean(scores: Sequence[float]) -> float:
    """The mean, with a correctly rounded sum that the order of the scores cannot change. Raises ValueError for none."""
    if not scores:
        raise ValueError("mean of no scores")
    return math.fsum(scores) / len(scores)


def check_texts(metric: str, generated_texts: Sequence[str], **columns: Sequence[Any] | None) -> None:
    """Raises DataError unless there is at least one text and every column has one entry per text."""
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
    """The references as lists. Raises DataError unless each text has one or more strings (which may be empty)."""
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
