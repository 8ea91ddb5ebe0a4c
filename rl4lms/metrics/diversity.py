"""The diversity of a set of texts: the statistics of GEM-metrics (MSTTR, NGramStats) that RL4LMs reports.

Words are those of `word_tokenize` in lower case. Each statistic is given with and without punctuation, and only for the
whole set.
"""

from __future__ import annotations

import itertools
import math
import statistics
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from rl4lms.config.reader import Count
from rl4lms.core.errors import ConfigError
from rl4lms.metrics.base import MetricResult, TextMetric, mean
from rl4lms.metrics.bleu import ngram_counts
from rl4lms.metrics.words import word_tokenize

_PUNCTUATION = frozenset(string.punctuation)
ORDERS = (1, 2, 3)
Ngrams = Counter[tuple[str, ...]]


def msttr(texts: Sequence[Sequence[str]], window: int) -> float:
    """The mean type-token ratio of the joined words over segments of `window` words, without an incomplete last one.

    If there are fewer words, it is their ratio, and 0 for none (GEM gives nan).
    """
    words = list(itertools.chain.from_iterable(texts))
    if len(words) < window:
        return len(set(words)) / len(words) if words else 0.0
    starts = range(0, len(words) - window + 1, window)
    return mean([len(set(words[start : start + window])) / window for start in starts])


def ngram_entropy(ngrams: Ngrams) -> float:
    """The Shannon entropy of the n-gram frequencies, in bits; 0 for none."""
    total = ngrams.total()
    return math.fsum(n / total * math.log2(total / n) for n in ngrams.values())


def conditional_entropy(ngrams: Ngrams, contexts: Ngrams) -> float:
    """H(last word | words before) in bits, with p(context) estimated from all (n-1)-grams, as in GEM.

    These include the ends of texts, which nothing follows, so it can be negative for a few short texts.
    """
    total, total_contexts = ngrams.total(), contexts.total()
    return math.fsum(
        n / total * math.log2((contexts[ngram[:-1]] / total_contexts) / (n / total)) for ngram, n in ngrams.items()
    )


def length_statistics(texts: Sequence[Sequence[str]], suffix: str) -> dict[str, float]:
    lengths = [len(words) for words in texts]
    return {
        f"total_length{suffix}": sum(lengths),
        f"mean_pred_length{suffix}": mean(lengths),
        f"std_pred_length{suffix}": statistics.pstdev(lengths),
        f"median_pred_length{suffix}": statistics.median(lengths),
        f"min_pred_length{suffix}": min(lengths),
        f"max_pred_length{suffix}": max(lengths),
    }


def ngram_statistics(texts: Sequence[Sequence[str]], suffix: str) -> dict[str, float]:
    """distinct-n: distinct n-grams over occurrences; unique-n: n-grams that occur once. They are 0 without n-grams."""
    result: dict[str, float] = {}
    contexts: Ngrams = Counter()
    for order in ORDERS:
        ngrams: Ngrams = Counter()
        for words in texts:
            ngrams.update(ngram_counts(words, order))
        result[f"distinct-{order}{suffix}"] = len(ngrams) / ngrams.total() if ngrams else 0.0
        result[f"vocab_size-{order}{suffix}"] = len(ngrams)
        result[f"unique-{order}{suffix}"] = sum(1 for n in ngrams.values() if n == 1)
        result[f"entropy-{order}{suffix}"] = ngram_entropy(ngrams)
        if order > 1:
            result[f"cond_entropy-{order}{suffix}"] = conditional_entropy(ngrams, contexts)
        contexts = ngrams
    return result


class DiversityMetrics(TextMetric):
    """`diversity_metrics/<statistic>`. window_size: words in a segment of MSTTR (100 as published)."""

    name = "diversity"

    def __init__(self, window_size: Annotated[Count, "Words of a segment of MSTTR."] = 100) -> None:
        if window_size < 1:
            raise ConfigError(f"metric diversity: window_size must be at least 1, found {window_size}.")
        self._window = window_size

    @classmethod
    def result_keys(cls, args: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(cls(**args).score([""]))

    def score(self, texts: list[str]) -> MetricResult:
        words = [[w.lower() for w in word_tokenize(text)] for text in texts]
        no_punctuation = [[w for w in text if w not in _PUNCTUATION] for text in words]
        result: dict[str, float] = {
            f"msttr-{self._window}": msttr(words, self._window),
            f"msttr-{self._window}_nopunct": msttr(no_punctuation, self._window),
        }
        for suffix, rows in (("", words), ("-nopunct", no_punctuation)):
            result |= length_statistics(rows, suffix) | ngram_statistics(rows, suffix)
        return {f"diversity_metrics/{key}": (None, float(value)) for key, value in result.items()}
