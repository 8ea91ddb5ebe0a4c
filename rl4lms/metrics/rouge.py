"""ROUGE-1, -2, -L and -Lsum (Lin, 2004), equal to those of Google's rouge-score."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Annotated, Any

import rapidrouge

from rl4lms.config.kinds import RougeType, SingleReference
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.metrics.base import MetricResult, ReferenceMetric, mean
from rl4lms.metrics.words import stem

ROUGE_TYPES: tuple[RougeType, ...] = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")
_KNOWN_TYPE = re.compile(r"rouge([1-9]|L|Lsum)$")


@functools.lru_cache(maxsize=1 << 14)
def rouge_words(text: str) -> list[str]:
    """rouge-score's tokens: lower case, [a-z0-9]+, words of more than three letters stemmed. Do not change the list."""
    words = _NOT_ALPHANUMERIC.sub(" ", text.lower()).split()
    return [stem(word) if len(word) > 3 else word for word in words]


class RougeScorer:
    """F-measures of one text against its references.

    They are computed by rapidrouge, which equals rouge-score bit for bit and needs no quadratic table for ROUGE-L.
    For two texts of one line each, ROUGE-Lsum equals ROUGE-L and is not computed again.
    """

    def __init__(self, rouge_types: Sequence[str]) -> None:
        for rouge_type in rouge_types:
            if not _KNOWN_TYPE.match(str(rouge_type)):
                raise ConfigError(unknown("rouge_type", rouge_type, ROUGE_TYPES))
        self.rouge_types = tuple(rouge_types)
        tokenizer = SimpleNamespace(tokenize=rouge_words)
        scorer: Any = rapidrouge.RougeScorer
        self._scorer = scorer(list(self.rouge_types), tokenizer=tokenizer)
        one_line = [t for t in self.rouge_types if t != "rougeLsum"]
        if "rougeLsum" in self.rouge_types and "rougeL" not in one_line:
            one_line.append("rougeL")
        self._one_line_scorer = scorer(one_line, tokenizer=tokenizer)

    def score(self, reference: str, text: str) -> dict[str, float]:
        if "\n" in reference or "\n" in text:
            scores = self._scorer.score(reference, text)
        else:
            scores = self._one_line_scorer.score(reference, text)
            scores["rougeLsum"] = scores.get("rougeL")
        return {t: float(scores[t].fmeasure) for t in self.rouge_types}

    def best(self, references: Sequence[str], text: str) -> dict[str, float]:
        """The maximum over the references, for each type separately."""
        scores = [self.score(reference, text) for reference in references]
        return {t: max(s[t] for s in scores) for t in self.rouge_types}


class RougeMetric(ReferenceMetric):
    """`lexical/rouge_<type>`: the F-measure with Porter stemming, and its mean over the texts.

    use_single_ref: True (the published default) scores against the first reference, False takes the best one. RL4LMs
    averaged by a random bootstrap with numpy's global generator, and with False it scored the printed list.
    """

    name = "rouge"

    def __init__(
        self,
        use_single_ref: SingleReference = True,
        rouge_types: Annotated[Sequence[RougeType], "Which ROUGEs to compute."] = ROUGE_TYPES,
    ) -> None:
        self._use_single_ref = use_single_ref
        self._scorer = RougeScorer(rouge_types)

    @classmethod
    def result_keys(cls, args: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(f"lexical/rouge_{kind}" for kind in args.get("rouge_types", ROUGE_TYPES))

    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        pairs = zip(references, texts, strict=True)
        if self._use_single_ref:
            rows = [self._scorer.score(refs[0], text) for refs, text in pairs]
        else:
            rows = [self._scorer.best(refs, text) for refs, text in pairs]
        columns = {t: [row[t] for row in rows] for t in self._scorer.rouge_types}
        return {f"lexical/rouge_{t}": (scores, mean(scores)) for t, scores in columns.items()}
