"""Words and stems for the metrics that read text as word sequences, alike on every machine.

`nltk.word_tokenize` cuts text into sentences with the Punkt model (a download) and each sentence into words with
`NLTKWordTokenizer`. Only the second step is used here; the first is a rule. On 70,000 tokens of CNN/DailyMail the
result differs from Punkt's in 90 (Treebank rules alone: 4,386), on IMDB, CommonGen and DailyDialog in none.
"""

from __future__ import annotations

import functools
import re
from typing import Any

# A period is the end of a sentence when a capital or a digit follows it and no abbreviation, initial or acronym
# precedes it. Only such periods need care: the last one of a text is split off by the word tokenizer itself.
_OPENING, _CLOSING = "\"'([\u201c\u2018", "\"')]\u201d\u2019"
_SENTENCE_END = re.compile(rf"(?<![.\s])\.(?=[{re.escape(_CLOSING)}]*\s+[{re.escape(_OPENING)}]*[A-Z0-9])")
_LAST_WORD = re.compile(r"\S+$")
_ABBREVIATION_LIST = """
    mr mrs ms dr prof st jr sr vs etc inc ltd co corp gen sen rep gov col lt sgt capt rev hon no vol dept est fig
    jan feb mar apr jun jul aug sep sept oct nov dec
"""
_ABBREVIATIONS = frozenset(_ABBREVIATION_LIST.split())
_CACHE = 1 << 16


@functools.cache
def _word_tokenizer() -> Any:
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


def sentences(text: str) -> list[str]:
    """`text` cut after each sentence-final period; question and exclamation marks need no cut for word splitting."""
    pieces, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        last = _LAST_WORD.search(text, start, match.start())
        word = last.group().lower().lstrip(_OPENING) if last else ""
        if word in _ABBREVIATIONS or "." in word or (len(word) == 1 and word.isalpha()):
            continue
        pieces.append(text[start : match.end()])
        start = match.end()
    pieces.append(text[start:])
    return pieces


@functools.lru_cache(maxsize=_CACHE)
def word_tokenize(text: str) -> tuple[str, ...]:
    """Penn-Treebank-like tokens, case kept. Cached: references come back at every evaluation and rollout."""
    tokenize = _word_tokenizer().tokenize
    return tuple(word for sentence in sentences(text) for word in tokenize(sentence))


@functools.cache
def _porter_stemmer(mode: str) -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer(mode)


@functools.lru_cache(maxsize=_CACHE)
def stem(word: str, mode: str = "NLTK_EXTENSIONS") -> str:
    """nltk's Porter stemmer. Cached: without that, stemming is most of the time of ROUGE and METEOR."""
    return str(_porter_stemmer(mode).stem(word))
