"""METEOR (Lavie and Agarwal, 2007) as nltk computes it: exact, stem and synonym matches; alpha .9, beta 3, gamma .5."""

from __future__ import annotations

from types import SimpleNamespace

from rl4lms.config.kinds import WordNet
from rl4lms.metrics.base import MetricResult, ReferenceMetric, mean
from rl4lms.metrics.synonyms import synonym_source
from rl4lms.metrics.words import stem, word_tokenize


class MeteorMetric(ReferenceMetric):
    """`lexical/meteor` in [0, 1]: a text's best score over its references, and the mean over the texts.

    wordnet: the source of synonyms: "auto" (nltk's WordNet if it is installed, else METEOR's tables), "wordnet" or
    "tables". The scores differ slightly (on 30 of 4,018 pairs of CommonGen, means .5593 and .5599), so `labels` names
    the source. RL4LMs passed the printed list of references to the scorer.
    """

    name = "meteor"
    key = "lexical/meteor"

    def __init__(self, wordnet: WordNet = "auto") -> None:
        self._synonyms = synonym_source(wordnet)
        self._stemmer = SimpleNamespace(stem=stem)

    def labels(self) -> dict[str, str]:
        return {self.key: f"synonyms: {self._synonyms.name}"}

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
