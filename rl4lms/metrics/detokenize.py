"""The English rules of the Moses detokenizer, which the ToTTo authors apply to every line before they score it.

The result equals that of `detokenizer.perl -l en` of mosesdecoder (revision 4134). Text that was never tokenized mostly
stays as it is: only separate punctuation is attached, and escapes are undone.
"""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = (
    ("&bar;", "|"), ("&#124;", "|"), ("&lt;", "<"), ("&gt;", ">"), ("&bra;", "["), ("&ket;", "]"),
    ("&quot;", '"'), ("&apos;", "'"), ("&#91;", "["), ("&#93;", "]"), ("&amp;", "&"),
)  # fmt: skip
_TAG = re.compile(r"<.+>")
_OPENING = frozenset("([{¿¡")
_CLOSING = frozenset(",.?!:;\\%}])")
_QUOTES = frozenset("'\"„“`")
_SAME_QUOTE = re.compile("[„“”]+")
_CJK = re.compile("[\u1100-\u11ff\u2e80-\ua4cf\ua840-\ua87f\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff65-\uffdc]"
                  "|[\U00020000-\U0002ffff]")  # fmt: skip


def _is_opening(word: str) -> bool:
    return all(c in _OPENING or unicodedata.category(c) == "Sc" for c in word)


def _is_contraction(word: str, before: str) -> bool:
    """Whether `word` is like "'s" and follows a letter or digit."""
    follows = before[-1:].isalpha() or before[-1:].isdecimal()
    return follows and word[0] == "'" and word[1:2].isalpha()


def _joins_cjk(word: str, before: str) -> bool:
    return bool(_CJK.match(word)) and bool(_CJK.match(before[-1:]))


class _Line:
    """A line that is put together from words, with or without a space before each."""

    def __init__(self) -> None:
        self.text, self._gap = "", " "
        self._quotes: dict[str, int] = {}

    def add(self, word: str, space_before: bool = True, space_after: bool = True) -> None:
        self.text += (self._gap if space_before else "") + word
        self._gap = " " if space_after else ""

    def add_quote(self, word: str, before: str) -> None:
        """Add a quotation mark. Marks of one kind open and close in turn; an apostrophe after an s is not one."""
        kind = '"' if _SAME_QUOTE.fullmatch(word) else word
        is_open = self._quotes.get(kind, 0) % 2 == 1
        if not is_open and word == "'" and before.endswith("s"):
            self.add(word, space_before=False)
            return
        self.add(word, space_before=not is_open, space_after=is_open)
        self._quotes[kind] = self._quotes.get(kind, 0) + 1


def moses_detokenize(line: str) -> str:
    """One line, detokenized. A blank line and a line that is one tag ("<null>") stay as they are."""
    if _TAG.fullmatch(line) or not line.strip():
        return line
    text = f" {line} ".replace(" @-@ ", "-")
    for escaped, character in _ESCAPES:
        text = text.replace(escaped, character)
    result, before = _Line(), ""
    for word in text.split(" "):
        if not word or (_CJK.match(word) and not _joins_cjk(word, before)):
            result.add(word)
        elif _is_opening(word):
            result.add(word, space_after=False)
        elif _joins_cjk(word, before) or _CLOSING.issuperset(word) or _is_contraction(word, before):
            result.add(word, space_before=False)
        elif _QUOTES.issuperset(word):
            result.add_quote(word, before)
        else:
            result.add(word)
        before = word
    return re.sub(" +", " ", result.text).removeprefix(" ").removesuffix(" ")
