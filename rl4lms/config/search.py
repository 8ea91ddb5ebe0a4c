"""The points of a search over numbers: a low-discrepancy sequence, so that few points leave no large gap."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rl4lms.core.errors import ConfigError

_BASES = (2, 3, 5, 7, 11, 13)


def point(values: Mapping[str, Mapping[str, Any]], k: int) -> dict[str, Any]:
    """The k-th point, from 0: key -> number, rounded to 3 significant digits.

    values: key -> low, high and, where they are given, log and whole. The j-th key takes the Halton sequence of the
    j-th prime (Numerische Mathematik 2, 1960), so that algorithms with as many values get the same points of the cube.
    """
    if len(values) > len(_BASES):
        raise ConfigError(f"search.values: {len(values)} values; expected at most {len(_BASES)}.")
    return {
        key: _value(radical_inverse(k + 1, base), **each)
        for base, (key, each) in zip(_BASES, values.items(), strict=False)
    }


def radical_inverse(index: int, base: int) -> float:
    """The digits of a whole number in a base, mirrored behind the point: in 0..1."""
    result, scale = 0.0, 1.0
    while index:
        scale /= base
        index, digit = divmod(index, base)
        result += digit * scale
    return result


def _value(share: float, low: float, high: float, log: bool = False, whole: bool = False) -> float | int:
    value = low * math.exp(share * math.log(high / low)) if log else low + share * (high - low)
    return round(value) if whole else float(f"{value:.3g}")
