from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError, RunError
from rl4lms.metrics import caption_words
from rl4lms.metrics.caption_words import caption_tokenizer

WHERE = "metric test"


def test_words_and_whitespace() -> None:
    texts = ["The dog's ball, here.", "", "two  spaces"]
    assert caption_tokenizer("words", WHERE)(texts)[0] == ("The", "dog", "'s", "ball", ",", "here", ".")
    assert caption_tokenizer("whitespace", WHERE)(texts) == [
        ("The", "dog's", "ball,", "here."),
        (),
        ("two", "spaces"),
    ]


def test_unknown_or_missing_tokenizers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='unknown tokenizer "word"..*Did you mean "words"'):
        caption_tokenizer("word", WHERE)
    monkeypatch.setattr(caption_words, "java_version", lambda *_: 17)
    monkeypatch.setattr(caption_words, "package_folder", lambda *_: tmp_path)
    with pytest.raises(ConfigError, match="stanford-corenlp-3.4.1.jar is missing"):
        caption_tokenizer("ptb", WHERE)
    monkeypatch.setitem(__import__("sys").modules, "spacy", None)
    with pytest.raises(ConfigError, match="pip install spacy"):
        caption_tokenizer("spacy", "another metric")


def test_ptb_drops_punctuation_and_keeps_lines_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: list[str] = []

    def java(program: str, arguments: Any, where: str, folder: Path, text: str = "") -> str:
        given.append(text)
        return "".join(line.lower() + " .\n" for line in text.split("\n")[:-1])

    monkeypatch.setattr(caption_words, "java_version", lambda *_: 17)
    monkeypatch.setattr(caption_words, "package_folder", lambda *_: tmp_path)
    monkeypatch.setattr(caption_words, "run_java", java)
    (tmp_path / "stanford-corenlp-3.4.1.jar").touch()
    tokenize = caption_tokenizer("ptb", WHERE)
    assert tokenize(["A\ncat -- sat\u2028down", "", "Dog"]) == [("a", "cat", "sat", "down"), (), ("dog",)]
    assert given == ["A cat -- sat down\n\nDog\n"]
    monkeypatch.setattr(caption_words, "run_java", lambda *_: "one line\n")
    with pytest.raises(RunError, match="gave 1 lines for 2 texts"):
        tokenize(["a", "b"])


@pytest.mark.slow
def test_ptb_tokens_are_pycocoevalcaps() -> None:
    """Brackets come out in lower case, so its list, which has them in upper case, lets them pass."""
    try:
        tokenize = caption_tokenizer("ptb", WHERE)
    except ConfigError as error:
        pytest.skip(str(error))
    assert tokenize(["The man's dog can't run (fast) -- really?", "", "It cost $5.50."]) == [
        ("the", "man", "'s", "dog", "ca", "n't", "run", "-lrb-", "fast", "-rrb-", "really"),
        (),
        ("it", "cost", "$", "5.50"),
    ]


def test_spacy_cuts_as_its_english_models() -> None:
    pytest.importorskip("spacy", reason="spaCy is not installed")
    assert caption_tokenizer("spacy", WHERE)(["The man's dog can't  run."]) == [
        ("The", "man", "'s", "dog", "ca", "n't", "run", ".")
    ]
