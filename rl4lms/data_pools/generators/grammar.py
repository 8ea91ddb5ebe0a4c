"""A context-free grammar over text."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from rl4lms.data_pools.generators.english import capitalised, with_article
from rl4lms.data_pools.generators.wordlists import alternatives

_SLOT = re.compile(r"\[([^\]]+)\]")


class Grammar:
    """`[symbol]` in a production stands for one of that symbol's productions, drawn at random.

    rules: symbol -> its productions, see `alternatives`.
    """

    def __init__(self, rules: Mapping[str, str]) -> None:
        # An odd position of a production is a symbol, an even one literal text.
        self._rules = {
            symbol: tuple(tuple(_SLOT.split(production)) for production in alternatives(text))
            for symbol, text in rules.items()
        }

    def expand(self, symbol: str, rng: random.Random, bound: Mapping[str, str] | None = None) -> str:
        """One text of `symbol`; `bound` fixes the text of symbols (a name said twice). KeyError: no such symbol."""
        if bound is not None and symbol in bound:
            return bound[symbol]
        parts = rng.choice(self._rules[symbol])
        if len(parts) == 1:
            return parts[0]
        return "".join(self.expand(p, rng, bound) if i % 2 else p for i, p in enumerate(parts))


def with_variants(facts: Mapping[str, str]) -> dict[str, str]:
    """Each fact also with its article ("a place") and capitalised ("Place", "A place"), for `bound`."""
    every = {**facts, **{f"a {name}": with_article(value) for name, value in facts.items()}}
    return every | {capitalised(name): capitalised(value) for name, value in every.items()}
