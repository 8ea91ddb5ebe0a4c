"""CIDEr-D (Vedantam et al., 2015, arXiv:1411.5726): TF-IDF weighted n-grams shared with each reference.

On the same tokens it equals pycocoevalcap's `Cider` to 1e-6. Two samples with the same prompt have separate scores;
RL4LMs gave both the score of the last one.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from rl4lms.config.kinds import CaptionWords
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import parse_json, read_lines
from rl4lms.metrics.base import MetricResult, ReferenceMetric, mean
from rl4lms.metrics.bleu import MAX_ORDER, ngram_counts
from rl4lms.metrics.caption_words import Words, caption_tokenizer

SIGMA = 6.0  # width of the Gaussian penalty for a difference in length, in words
_CACHE = 1 << 14
Ngram = tuple[str, ...]


@functools.lru_cache(maxsize=8)
def _idf_by_count(n_documents: int) -> list[float]:
    """log(documents / documents that contain an n-gram), by the latter count; 0 counts as 1."""
    return [math.log(n_documents) - math.log(max(1, count)) for count in range(n_documents + 1)]


class DocumentFrequencies(NamedTuple):
    """For each n-gram of order 1 to 4, the number of samples, of n_documents, with a reference that contains it."""

    n_documents: int
    counts: Mapping[Ngram, int]

    @classmethod
    def of(cls, references: Iterable[Sequence[Words]]) -> DocumentFrequencies:
        """Count the n-grams of the references: one or more word sequences per sample. Raises DataError for none."""
        counts: Counter[Ngram] = Counter()
        n_documents = 0
        for texts in references:
            n_documents += 1
            counts.update({ngram for words in texts for order in _orders(words) for ngram in order})
        if not n_documents:
            raise DataError("metric cider: no references to take document frequencies from; expected at least one.")
        return cls(n_documents, counts)


class _Vector(NamedTuple):
    """TF-IDF weights and their norm for each order. length: the number of words minus one, as in pycocoevalcap."""

    weights: list[dict[Ngram, float]]
    norms: list[float]
    length: int


def _orders(words: Words) -> list[Counter[Ngram]]:
    return [ngram_counts(words, order) for order in range(1, MAX_ORDER + 1)]


def _vector(words: Words, frequencies: DocumentFrequencies) -> _Vector:
    idf, counts = _idf_by_count(frequencies.n_documents), frequencies.counts
    weights = [{g: n * idf[counts.get(g, 0)] for g, n in order.items()} for order in _orders(words)]
    return _Vector(weights, [math.hypot(*order.values()) for order in weights], max(0, len(words) - 1))


def _similarity(text: _Vector, reference: _Vector) -> float:
    """The cosine with weights clipped to the reference's, averaged over the orders, times the length penalty."""
    cosines = 0.0
    for ours, theirs, norm, other_norm in zip(
        text.weights, reference.weights, text.norms, reference.norms, strict=True
    ):
        if norm and other_norm:
            shared = math.fsum(min(ours[g], theirs[g]) * theirs[g] for g in ours.keys() & theirs.keys())
            cosines += shared / (norm * other_norm)
    difference = text.length - reference.length
    return cosines / MAX_ORDER * math.exp(-(difference**2) / (2 * SIGMA**2))


class CiderMetric(ReferenceMetric):
    """`lexical/cider` in [0, 10]: the mean over a text's references, and the mean over the texts.

    idf: the path of a file of references (`read_references`) for the document frequencies. None takes them from the
    references of the scored set, as published; then a text's score depends on the other texts, and a single sample
    scores 0. A reward should not depend on its batch: give a file, or call `fit`. tokenizer: see `caption_tokenizer`.
    """

    name = "cider"
    key = "lexical/cider"

    def __init__(
        self,
        tokenizer: CaptionWords = "words",
        idf: Annotated[str | None, "File of references for document frequencies; null takes the scored set's."] = None,
    ) -> None:
        self._tokenize = caption_tokenizer(tokenizer, f"metric {self.name}")
        self._tokenizer_name = tokenizer
        self._source = "the references of the scored set"
        self._frequencies: DocumentFrequencies | None = None
        if idf is not None:
            self.fit(read_references(idf), source=Path(idf).name)

    @property
    def depends_on_batch(self) -> bool:
        """Whether a text's score depends on the other texts of the call."""
        return self._frequencies is None

    def fit(self, references: Iterable[Sequence[str]], source: str = "a fixed corpus") -> None:
        """Take the document frequencies from these references, one or more texts per sample, for all later scores.

        source: their name, shown beside the numbers.
        """
        samples = [list(texts) for texts in references]
        self._frequencies = DocumentFrequencies.of(self._words(samples))
        self._source = f"{source} ({len(samples)} samples)"

    def labels(self) -> dict[str, str]:
        return {self.key: f"CIDEr-D, tokens: {self._tokenizer_name}, IDF: {self._source}"}

    def _words(self, samples: Sequence[Sequence[str]]) -> list[list[Words]]:
        """The words of all texts, tokenized in one call, because the tokenizer may be an external program."""
        flat = iter(self._tokenize([text for texts in samples for text in texts]))
        return [[next(flat) for _ in texts] for texts in samples]

    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        *reference_words, text_words = self._words([*references, texts])
        frequencies = self._frequencies or DocumentFrequencies.of(reference_words)
        vector = functools.lru_cache(maxsize=_CACHE)(lambda words: _vector(words, frequencies))
        scores = [
            10.0 * mean([_similarity(vector(words), vector(other)) for other in others])
            for words, others in zip(text_words, reference_words, strict=True)
        ]
        return {self.key: (scores, mean(scores))}


def read_references(path: str) -> list[list[str]]:
    """The references of each sample. A line of a .jsonl file is a list of strings; of another file, one reference."""
    if not Path(path).is_file():
        raise ConfigError(f"metric cider: idf: {path}: cannot be read, because there is no such file.")
    lines = [(number, line) for number, line in read_lines(path) if line.strip()]
    if Path(path).suffix.lower() != ".jsonl":
        return [[line] for _, line in lines]
    return [_reference_list(line, f"{path}, line {number}") for number, line in lines]


def _reference_list(line: str, where: str) -> list[str]:
    try:
        texts = parse_json(line)
    except ValueError as error:
        raise DataError(f"{where}: not valid JSON ({error}).") from None
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise DataError(f"{where}: expected a list with the reference strings of a sample, found {line[:60]!r}.")
    return texts
