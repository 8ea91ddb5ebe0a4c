"""sacrebleu's BLEU, chrF and TER as metrics, scaled from per cent to fractions as in RL4LMs.

The set's score is sacrebleu's corpus score. A text's score is the same formula on only that text. Both come from the
same match statistics.
"""

from __future__ import annotations

import inspect
import itertools
import math
from typing import Annotated, Any, ClassVar, TypedDict

import sacrebleu
from sacrebleu.metrics.base import Metric as Scorer
from sacrebleu.metrics.bleu import _TOKENIZERS as TOKENIZERS
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from rl4lms.config.reader import Count, Natural
from rl4lms.config.signatures import ArgumentsOf
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.metrics.base import MetricResult, ReferenceMetric
from rl4lms.metrics.ter import FastTER


class BLEUArguments(TypedDict, total=False):
    """RL4LMs' names, which are those of the Hugging Face metric scripts, and sacrebleu's own."""

    tokenize: Annotated[str | None, "sacrebleu's tokenizer: 13a, intl, ...; null takes the language's."]
    smooth_method: Annotated[str, "exp, floor, add-k or none."]
    smooth_value: Annotated[float | None, "Of floor and add-k; null takes sacrebleu's."]
    force: Annotated[bool, "Do not warn of texts that look tokenised."]
    lowercase: Annotated[bool, "Ignore case."]
    use_effective_order: Annotated[bool, "Leave out the orders of n-grams that a text is too short for."]
    effective_order: Annotated[bool, "The same, in sacrebleu's spelling."]
    max_ngram_order: Annotated[Count, "Longest n-grams."]
    trg_lang: Annotated[str, "Language, which chooses a tokenizer."]


class ChrFArguments(TypedDict, total=False):
    char_order: Annotated[Count, "Longest n-grams of characters."]
    word_order: Annotated[Natural, "Longest n-grams of words; 2 is chrF++."]
    beta: Annotated[Count, "Weight of recall."]
    lowercase: Annotated[bool, "Ignore case."]
    whitespace: Annotated[bool, "Count white space as characters."]
    eps_smoothing: Annotated[bool, "Smooth as nltk and Moses."]


class TERArguments(TypedDict, total=False):
    """RL4LMs' names and sacrebleu's own."""

    normalized: Annotated[bool, "Tokenise as tercom."]
    ignore_punct: Annotated[bool, "Remove punctuation."]
    no_punct: Annotated[bool, "The same, in sacrebleu's spelling."]
    support_zh_ja_chars: Annotated[bool, "Treat Chinese and Japanese characters as words."]
    asian_support: Annotated[bool, "The same, in sacrebleu's spelling."]
    case_sensitive: Annotated[bool, "Count case."]


class _SacreMetric(ReferenceMetric):
    """A metric of sacrebleu. Its arguments are named as in RL4LMs (the Hugging Face metric scripts) or in sacrebleu.

    scorer: sacrebleu's class; spelling: RL4LMs' name of an argument -> sacrebleu's; upper: the largest possible score.
    """

    upper: ClassVar[float] = 1.0
    scorer: ClassVar[type[Scorer]]
    spelling: ClassVar[dict[str, str]] = {}

    def __init__(self, **args: Any) -> None:
        arguments = {self.spelling.get(name, name): value for name, value in args.items()}
        known = set(inspect.signature(self.scorer.__init__).parameters) - {"self", "references"}
        for name in arguments:
            if name not in known:
                raise ConfigError(unknown("argument", name, known, where=f"metric {self.name}"))
        self._arguments = arguments
        self._scorer: Any = self.scorer(**arguments)

    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        streams = list(itertools.zip_longest(*references))  # None if a text has fewer references than another
        statistics = self._scorer._extract_corpus_statistics(texts, streams)
        scores = [fraction(self._scorer._compute_score_from_stats(s), self.upper) for s in statistics]
        return {self.key: (scores, fraction(self._scorer._aggregate_and_compute(statistics), self.upper))}

    def labels(self) -> dict[str, str]:
        arguments = "".join(f", {name}={value}" for name, value in sorted(self._arguments.items()))
        return {self.key: f"sacrebleu {sacrebleu.__version__}{arguments}"}


def fraction(score: Any, upper: float = 1.0) -> float:
    """sacrebleu's score as a fraction. Its rounding can exceed 100 per cent, because it sums logarithms."""
    return min(float(score.score) / 100, upper)


class SacreBLEUMetric(_SacreMetric):
    """`lexical/sacrebleu` in [0, 1].

    Arguments: tokenize ("13a", "intl", ...), lowercase, smooth_method, smooth_value, use_effective_order, force.
    Without use_effective_order (the published default) the score of a text of fewer than four tokens is 0.
    """

    name = "sacre_bleu"
    key = "lexical/sacrebleu"
    scorer = BLEU
    spelling: ClassVar[dict[str, str]] = {"use_effective_order": "effective_order"}

    def __init__(self, **args: Annotated[Any, ArgumentsOf(BLEUArguments)]) -> None:
        where = f"metric {self.name}"
        if args.get("tokenize") is not None and args["tokenize"] not in TOKENIZERS:
            raise ConfigError(unknown("tokenize", args["tokenize"], TOKENIZERS, where))
        if args.get("smooth_method", "exp") not in BLEU.SMOOTH_DEFAULTS:
            raise ConfigError(unknown("smooth_method", args["smooth_method"], BLEU.SMOOTH_DEFAULTS, where))
        super().__init__(**args)


class ChrFMetric(_SacreMetric):
    """`lexical/chrf` in [0, 1]: character n-gram F (char_order 6, word_order 0, beta 2 unless given)."""

    name = "chrf"
    key = "lexical/chrf"
    scorer = CHRF

    def __init__(self, **args: Annotated[Any, ArgumentsOf(ChrFArguments)]) -> None:
        super().__init__(**args)


class TERMetric(_SacreMetric):
    """`lexical/ter`: edits per reference word. 0 is perfect; it can exceed 1 for a text longer than its reference."""

    name = "ter"
    key = "lexical/ter"
    upper = math.inf
    scorer = FastTER
    spelling: ClassVar[dict[str, str]] = {"ignore_punct": "no_punct", "support_zh_ja_chars": "asian_support"}

    def __init__(self, **args: Annotated[Any, ArgumentsOf(TERArguments)]) -> None:
        super().__init__(**args)
