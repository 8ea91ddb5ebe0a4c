"""Rewards that a rule decides, as plain functions: is the answer right, is it of the form that was asked for?

Each answers one number in [0, 1] for each of N completions, whatever these hold; docs/rewards.md tables what it says of
empty texts, odd numbers and the like. Only a fault of the configuration or of the references raises.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Annotated, Literal

from rl4lms.config.reader import Natural, NonNegative
from rl4lms.core.errors import ConfigError, DataError, RunError
from rl4lms.core.io import parse_json

SLOWEST_MATCH_S = 2.0  # of one text; an honest pattern takes microseconds
# Every digit of a text counts; what is beyond these exponents is infinite or NaN, and no exception.
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_DIFFERENCE = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
# A sign is one that no word, number or closing bracket stands before: "3-4" ends in 4. `\d` is a digit of any script.
_NUMBER = re.compile(
    r"(?:(?<![\w.)\]])[-+\u2212])?"
    r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<!\d)\.\d+)(?:[eE][-+]?\d+)?"
)
_PUNCTUATION = frozenset(("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"))

Texts = Sequence[str]
References = Sequence[Sequence[str]]


def exact_match(
    completions: Texts,
    references: References,
    ignore_case: Annotated[bool, "Upper and lower case are the same."] = False,
    ignore_punctuation: Annotated[bool, "Punctuation is left out."] = False,
) -> list[float]:
    """1 if a text is one of its references, up to runs of white space and Unicode's two ways to write an accent."""

    def plain(text: str) -> str:
        text = unicodedata.normalize("NFC", text.casefold() if ignore_case else text)
        if ignore_punctuation:
            text = "".join(c for c in text if unicodedata.category(c) not in _PUNCTUATION)
        return " ".join(text.split())

    _check_references(references, "exact_match")
    return [float(plain(c) in map(plain, own)) for c, own in zip(completions, references, strict=True)]


def regex(
    completions: Texts,
    pattern: Annotated[str, "A regular expression of Python's; (?i) in front ignores case."],
    whole: Annotated[bool, "It must match the whole text instead of a part."] = False,
) -> list[float]:
    """1 if a text matches. Raises ConfigError for no pattern, and RunError for one that a text keeps busy."""
    import regex as engine  # re has no limit of time, and (a+)+b takes it longer than the universe is old

    try:
        compiled = engine.compile(pattern)
    except engine.error as error:
        raise ConfigError(f"reward regex: pattern {pattern!r} is no regular expression ({error}).") from None
    match = compiled.fullmatch if whole else compiled.search
    try:
        return [float(match(text, timeout=SLOWEST_MATCH_S) is not None) for text in completions]
    except TimeoutError:
        raise RunError(
            f"reward regex: pattern {pattern!r} took more than {SLOWEST_MATCH_S:g} s for a text; it repeats what is "
            "repeated, as (a+)+ does: write it without."
        ) from None


def numeric(
    completions: Texts,
    references: References,
    tolerance: Annotated[NonNegative, "Largest difference that counts as equal."] = 0.0,
) -> list[float]:
    """1 if the last number in a text equals the last number in one of its references."""
    _check_references(references, "numeric")
    limit, scores = Decimal(str(tolerance)), []
    for text, own in zip(completions, references, strict=True):
        right = [number for each in own if (number := last_number(each)) is not None]
        if not right:
            raise DataError(f"reward numeric: no number in the reference {own[0][:60]!r}; expected one.")
        found = last_number(text)
        scores.append(float(found is not None and any(_close(found, each, limit) for each in right)))
    return scores


def last_number(text: str) -> Decimal | None:
    """The last number that a text holds, exactly; None if there is none. "1,000" is 1000, "nan" and "inf" are none."""
    found = _NUMBER.findall(text)
    if not found:
        return None
    number = _EXACT.create_decimal(found[-1].replace(",", "").replace("\u2212", "-"))
    return number if number.is_finite() else None


def _close(a: Decimal, b: Decimal, limit: Decimal) -> bool:
    return a == b or _DIFFERENCE.subtract(a, b).copy_abs() <= limit


def json_valid(
    completions: Texts,
    keys: Annotated[list[str] | None, "Keys that it must have, as an object; null asks for none."] = None,
) -> list[float]:
    """1 if a text is JSON, alone or in one code fence, and nothing else."""
    return [float(_is_json(_unfenced(text), keys)) for text in completions]


def _unfenced(text: str) -> str:
    text = text.strip()
    if len(text) < 6 or not (text.startswith("```") and text.endswith("```")):
        return text
    label, newline, inside = text[3:-3].partition("\n")
    return inside if newline and label.strip().lower() in ("", "json") else text[3:-3]


def _is_json(text: str, keys: Sequence[str] | None) -> bool:
    try:
        value = parse_json(text)
    except ValueError:
        return False
    return not keys or (isinstance(value, dict) and all(key in value for key in keys))


def length(
    completions: Texts,
    shortest: Annotated[Natural, "Length from which a text is long enough."] = 0,
    longest: Annotated[Natural | None, "Length up to which it is short enough; null sets no limit."] = None,
    unit: Annotated[Literal["words", "characters"], "What is counted; words are what white space parts."] = "words",
) -> list[float]:
    """1 within the limits; below them the share n / shortest, above them longest / n. Raises ConfigError."""
    if longest is not None and longest < shortest:
        raise ConfigError(f"reward length: longest {longest} is less than shortest {shortest}; expected at least it.")
    sizes = [len(text.split()) if unit == "words" else len(text) for text in completions]
    return [
        n / shortest if n < shortest else longest / n if longest is not None and n > longest else 1.0 for n in sizes
    ]


def _check_references(references: References, name: str) -> None:
    if not all(references):
        raise DataError(f"reward {name}: a sample has no reference; name the column that has it (references).")
