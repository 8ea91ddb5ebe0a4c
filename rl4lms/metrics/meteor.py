"""METEOR (Lavie and Agarwal, 2007) as nltk computes it: exact, stem and synonym matches; alpha .9, beta 3, gamma .5."""

from __future__ import annotations

from rl4lms.metrics.base import MetricResult, ReferenceMetric, mean
from rl4lms.metrics.synonyms import synonym_source
from rl4lms.metrics.words import stem, word_tokenize


class _Stemmer:
    """What nltk asks for: an object with `stem`."""

    def stem(self, word: str) -> str:
        return stem(word)


class MeteorMetric(ReferenceMetric):
    """`lexical/meteor` in [0, 1]: per text the best over its references, for the set the mean.

    wordnet: "auto" (the WordNet of nltk if installed, else METEOR's tables), "wordnet" or "tables"; the numbers
    differ slightly (30 of 4,018 pairs of CommonGen, means .5593 and .5599), so `wordnet_source` names the one in use.
    RL4LMs handed the printed list of references to the scorer.
    """

    name = "meteor"
    key = "lexical/meteor"

    def __init__(self, wordnet: str = "auto") -> None:
        self._synonyms = synonym_source(wordnet)
        self._stemmer = _Stemmer()

    @property
    def wordnet_source(self) -> str:
        return self._synonyms.name

    def labels(self) -> dict[str, str]:
        return {self.key: f"synonyms: {self.wordnet_source}"}

    def pair(self, text: str, references: list[str]) -> float:
        from nltk.translate.meteor_score import meteor_score

        return float(
            meteor_score(
                [word_tokenize(reference) for reference in references],
                word_tokenize(text),
                stemmer=self._stemmer,
                wordnet=self._synonyms,
            )
        )

    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        scores = [self.pair(text, refs) for text, refs in zip(texts, references, strict=True)]
        return {self.key: (scores, mean(scores))}
