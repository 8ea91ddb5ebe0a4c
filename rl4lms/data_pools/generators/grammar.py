"""A context-free grammar over text."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

_SLOT = re.compile(r"\[([^\]]+)\]")


class Grammar:
    """`[symbol]` in a production stands for one of that symbol's productions, drawn at random.

    rules: symbol -> its productions, one a line or separated by "|".
    """

    def __init__(self, rules: Mapping[str, str]) -> None:
        # An odd position of a production is a symbol, an even one literal text.
        self._rules = {
            symbol: tuple(tuple(_SLOT.split(p.strip())) for p in text.replace("\n", "|").split("|") if p.strip())
            for symbol, text in rules.items()
        }

    def symbols(self) -> set[str]:
        """All symbols that productions mention."""
        return {part for rule in self._rules.values() for p in rule for part in p[1::2]}

    def expand(self, symbol: str, rng: random.Random, bound: Mapping[str, str] | None = None) -> str:
        """One text of `symbol`; `bound` fixes the text of symbols (a name said twice). KeyError: no such symbol."""
        if bound is not None and symbol in bound:
            return bound[symbol]
        parts = rng.choice(self._rules[symbol])
        if len(parts) == 1:
            return parts[0]
        return "".join(self.expand(p, rng, bound) if i % 2 else p for i, p in enumerate(parts))
