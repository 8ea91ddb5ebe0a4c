"""BLEU (Papineni et al., 2002) over words split at white space, as RL4LMs reports it under `lexical/bleu`."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

from rl4lms.metrics.base import MetricResult, ReferenceMetric

MAX_ORDER = 4


def ngram_counts(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[i:] for i in range(order)), strict=False))


def _all_ngrams(words: Sequence[str]) -> Counter[tuple[str, ...]]:
    """The counts of the n-grams of orders 1 to 4 in one table."""
    orders = (zip(*(words[i:] for i in range(order)), strict=False) for order in range(1, MAX_ORDER + 1))
    return Counter(itertools.chain.from_iterable(orders))


def bleu_statistics(text: str, references: Sequence[str]) -> list[int]:
    """[words of the text, words of the shortest reference, 4 counts of clipped matches, 4 of the text's n-grams]."""
    words, reference_words = text.split(), [r.split() for r in references]
    counts, allowed = _all_ngrams(words), _all_ngrams(reference_words[0])
    for reference in reference_words[1:]:
        allowed |= _all_ngrams(reference)
    matches = [0] * MAX_ORDER
    for ngram in counts.keys() & allowed.keys():
        matches[len(ngram) - 1] += min(counts[ngram], allowed[ngram])
    totals = [max(0, len(words) - order + 1) for order in range(1, MAX_ORDER + 1)]
    return [len(words), min(map(len, reference_words)), *matches, *totals]


def bleu(statistics: Sequence[int]) -> float:
    """The geometric mean of the four precisions times the brevity penalty.

    It is not smoothed, so it is 0 if one order has no match. An empty text scores 0; RL4LMs divided by its length and
    reported "n/a".
    """
    length, reference_length = statistics[:2]
    matches, totals = statistics[2 : 2 + MAX_ORDER], statistics[2 + MAX_ORDER :]
    if min(matches) == 0:
        return 0.0
    log_precision = math.fsum(math.log(m / t) for m, t in zip(matches, totals, strict=True)) / MAX_ORDER
    brevity = min(0.0, 1.0 - reference_length / length)
    return math.exp(log_precision + brevity)


class BLEUMetric(ReferenceMetric):
    """`lexical/bleu` in [0, 1]: corpus BLEU for the set, and the same formula for each text."""

    name = "bleu"
    key = "lexical/bleu"

    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        rows = [bleu_statistics(text, refs) for text, refs in zip(texts, references, strict=True)]
        corpus = [sum(column) for column in zip(*rows, strict=True)]
        return {self.key: ([bleu(row) for row in rows], bleu(corpus))}
