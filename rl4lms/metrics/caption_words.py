"""The tokenizers of CIDEr and SPICE.

pycocoevalcap scores the tokens of Java's PTB tokenizer, in lower case and without punctuation; RL4LMs those of spaCy,
unchanged. Neither is installed by default, so the default is `word_tokenize`. It differs from spaCy on 44 of 5,011
texts of CommonGen (it does not split "non-fiction" and "thats").
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

# The PTB tokens that pycocoevalcap drops.
PTB_PUNCTUATION = frozenset("'' ' `` ` -LRB- -RRB- -LCB- -RCB- . ? ! , : - -- ... ;".split())
_PTB_JAR = "stanford-corenlp-3.4.1.jar"


def _each(tokenize: Callable[[str], Sequence[str]], texts: Sequence[str]) -> list[Words]:
    return [tuple(tokenize(text)) for text in texts]


def _ptb(where: str, texts: Sequence[str]) -> list[Words]:
    """The PTB tokens of all texts by one run of Java, which takes about half a second to start."""
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
        raise ConfigError(f"{where}: {folder / _PTB_JAR} is missing; reinstall pycocoevalcap.")


def caption_tokenizer(name: str, where: str) -> Tokenize:
    """A function from texts to the words of each. Raises ConfigError, before the first text, if it is not installed.

    name: "words" (`word_tokenize`, which keeps case and punctuation), "whitespace" (for text that is tokenized
    already), "ptb" (that of pycocoevalcap, by Java), "spacy" (the rules of spaCy's English models, as RL4LMs and
    CommonGen's script have them).
    """
    tokenizers: dict[str, Tokenize] = {
        "words": functools.partial(_each, word_tokenize),
        "whitespace": functools.partial(_each, str.split),
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
