"""PARENT (Dhingra et al., 2019) with the word-overlap model of entailment, as in ToTTo's evaluation.

A text is precise if its n-grams are in the reference or entailed by the table. It is complete if it has the reference's
entailed n-grams and mentions the table's highlighted entries. Texts are sequences of words here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from rapidrouge import lcs_length

from rl4lms.metrics.base import mean
from rl4lms.metrics.bleu import ngram_counts

MAX_ORDER = 4
SMOOTHING = 1e-5  # replaces a precision or recall of 0 in a geometric mean

Words = Sequence[str]
Ngrams = Counter[tuple[str, ...]]


class Parent(NamedTuple):
    precision: float
    recall: float
    f_score: float


def entailment(ngram: Words, table_words: frozenset[str]) -> float:
    """The share of the n-gram's words that occur in the table's values."""
    return sum(word in table_words for word in ngram) / len(ngram)


def mention(entry: Words, text: Words) -> float:
    """The share of a table entry that the text contains in order: the LCS over the length of the entry (> 0)."""
    return lcs_length(list(entry), list(text)) / len(entry)


def entailed_precision(text: Ngrams, reference: Ngrams, table_words: frozenset[str]) -> float:
    """Eq. 3-4 for one order: an n-gram counts P(in reference) + P(not in reference) * P(entailed)."""
    if not text:
        return 0.0
    gained = 0.0
    for ngram, count in text.items():
        in_reference = min(1.0, reference[ngram] / count)
        gained += count * (in_reference + (1.0 - in_reference) * entailment(ngram, table_words))
    return gained / text.total()


def entailed_recall(text: Ngrams, reference: Ngrams, table_words: frozenset[str]) -> float:
    """Eq. 5 for one order: recall of the reference's n-grams, weighted by their entailment; 1 if none is entailed."""
    weights = {ngram: count * entailment(ngram, table_words) for ngram, count in reference.items()}
    total = sum(weights.values())
    if total == 0.0:
        return 1.0
    return sum(w * min(1.0, text[ngram] / reference[ngram]) for ngram, w in weights.items()) / total


def geometric_mean(values: Sequence[float]) -> float:
    """The geometric mean over the orders: 0 if the first (unigram) value is 0; later zeros are smoothed."""
    if values[0] == 0.0:
        return 0.0
    return math.exp(math.fsum(math.log(v or SMOOTHING) for v in values) / len(values))


def parent_of_pair(text: Words, reference: Words, table_words: frozenset[str], entries: Sequence[Words]) -> Parent:
    """PARENT against one reference.

    table_words: the words of all values that may support the text; entries: the values that it should mention, none of
    them empty. The table's weight in the recall (lambda) is the share of the entries that the reference leaves out.
    Without entries, the recall is that of the reference.
    """
    ngrams = [(ngram_counts(text, n), ngram_counts(reference, n)) for n in range(1, MAX_ORDER + 1)]
    precision = geometric_mean([entailed_precision(t, r, table_words) for t, r in ngrams])
    recall = geometric_mean([entailed_recall(t, r, table_words) for t, r in ngrams]) or SMOOTHING
    if entries:
        table_recall = mean([mention(entry, text) for entry in entries]) or SMOOTHING
        table_share = 1.0 - mean([mention(entry, reference) for entry in entries])
        recall = recall ** (1.0 - table_share) * table_recall**table_share
    return Parent(precision, recall, 2.0 * precision * recall / (precision + recall + 1e-8))


def parent(text: Words, references: Sequence[Words], table_words: frozenset[str], entries: Sequence[Words]) -> Parent:
    """PARENT against the reference with the highest F; of equal ones, the first."""
    return max((parent_of_pair(text, r, table_words, entries) for r in references), key=lambda p: p.f_score)
