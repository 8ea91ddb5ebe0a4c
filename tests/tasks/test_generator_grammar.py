"""English inflection, and the sections of text that generators are written in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rl4lms.data_pools.generators import english, wordlists


@pytest.mark.parametrize(
    ("function", "word", "form"),
    [
        (english.plural, "young child", "young children"),
        (english.plural, "box", "boxes"),
        (english.plural, "city", "cities"),
        (english.plural, "toy", "toys"),
        (english.third_person, "watch", "watches"),
        (english.third_person, "carry on", "carries on"),
        (english.past, "pick up", "picked up"),
        (english.past, "chat", "chatted"),
        (english.past, "write", "wrote"),
        (english.gerund, "ride", "riding"),
        (english.gerund, "sit", "sitting"),
        (english.gerund, "see", "seeing"),
        (english.gerund, "lie", "lying"),
        (english.with_article, "old hat", "an old hat"),
        (english.with_article, "hour", "an hour"),
        (english.with_article, "union", "a union"),
        (english.with_article, "one-way ticket", "a one-way ticket"),
    ],
)
def test_english(function: Callable[[str], str], word: str, form: str) -> None:
    assert function(word) == form


def test_sections_of_a_package_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "haiku_words").mkdir()
    (tmp_path / "haiku_words" / "__init__.py").touch()
    text = "# comment\n[first]\nold = alt\n\nname: a \\\n    | b\n[first]\n[x] stays a line.\n"
    (tmp_path / "haiku_words" / "words.txt").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    sections = list(wordlists.read_sections("haiku_words", "words.txt"))
    assert sections == [("first", ("old = alt", "name: a     | b")), ("first", ("[x] stays a line.",))]
