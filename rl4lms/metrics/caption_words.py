"""The words that CIDEr and SPICE read: one choice of tokenizer for both.

pycocoevalcap's scores are over Java's PTB tokens, lower case and without punctuation; RL4LMs' are over spaCy's, as
written. Neither comes with what is installed, so the default is `word_tokenize`: of 5,011 texts of CommonGen it cuts 44
otherwise than spaCy ("non-fiction" whole, "thats" whole).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from rl4lms.core.errors import ConfigError, RunError, unknown
from rl4lms.metrics.java import java_version, package_folder, run_java
from rl4lms.metrics.words import word_tokenize

Words = tuple[str, ...]
Tokenize = Callable[[Sequence[str]], list[Words]]

# What pycocoevalcap drops from the PTB tokens.
PTB_PUNCTUATION = frozenset("'' ' `` ` -LRB- -RRB- -LCB- -RCB- . ? ! , : - -- ... ;".split())
_PTB_JAR = "stanford-corenlp-3.4.1.jar"


def _each(tokenize: Callable[[str], Sequence[str]], texts: Sequence[str]) -> list[Words]:
    return [tuple(tokenize(text)) for text in texts]


def _split(text: str) -> list[str]:
    return text.split()


def _ptb(where: str, texts: Sequence[str]) -> list[Words]:
    """One run of Java for all texts, a line each; about half a second to start."""
    lines = [" ".join(text.split()) for text in texts]
    program = ["-cp", _PTB_JAR, "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    output = run_java("java", program, where, package_folder("tokenizer", where), "\n".join(lines) + "\n")
    tokenized = output.split("\n")[:-1]
    if len(tokenized) != len(lines):
        raise RunError(f"{where}: the PTB tokenizer gave {len(tokenized)} lines for {len(lines)} texts.")
    return [tuple(w for w in line.split(" ") if w and w not in PTB_PUNCTUATION) for line in tokenized]


@functools.cache
def _spacy_tokenizer(where: str) -> Any:
    try:
        import spacy
    except ImportError:
        raise ConfigError(f'{where}: tokenizer spacy needs spaCy; "pip install spacy" brings it.') from None
    return spacy.blank("en").tokenizer


def _spacy(where: str, text: str) -> list[str]:
    return [token.text for token in _spacy_tokenizer(where)(text) if not token.is_space]


def _check_ptb(where: str) -> None:
    java_version("java", where)
    folder = package_folder("tokenizer", where)
    if not (folder / _PTB_JAR).is_file():
        raise ConfigError(f"{where}: {folder / _PTB_JAR} is missing; install pycocoevalcap anew.")


def caption_tokenizer(name: str, where: str) -> Tokenize:
    """From texts to the words of each. Raises ConfigError, here and not at the first text, for what is not installed.

    name: "words" (`word_tokenize`, case and punctuation kept), "whitespace" (text that is tokenized already), "ptb"
    (pycocoevalcap's, by Java), "spacy" (the rules of spaCy's English models, as RL4LMs and CommonGen's own script).
    """
    tokenizers: dict[str, Tokenize] = {
        "words": functools.partial(_each, word_tokenize),
        "whitespace": functools.partial(_each, _split),
        "ptb": functools.partial(_ptb, where),
        "spacy": functools.partial(_each, functools.partial(_spacy, where)),
    }
    if name not in tokenizers:
        raise ConfigError(unknown("tokenizer", name, tokenizers, where))
    if name == "ptb":
        _check_ptb(where)
    if name == "spacy":
        _spacy_tokenizer(where)
    return tokenizers[name]
