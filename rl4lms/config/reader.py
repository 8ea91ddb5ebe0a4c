"""Typed, closed reading: a mapping becomes a frozen dataclass, or one line says what is wrong with which key.

`read(kind, value, path, source)` understands dataclasses, `int`, `float`, `str`, `bool`, `Any`, `Literal`, unions with
`|`, `list[X]`, `tuple[X, ...]`, `Sequence[X]`, `dict[str, X]`, `Mapping[str, X]`, `Annotated[number, Range(...)]`,
`Name`, `Part[dataclass]`, and any of these with a sentence: `Annotated[kind, "What it is."]`. Imports nothing heavy.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.names import is_safe

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Range:
    """Bounds of a number, each inclusive unless `above`/`below`."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None

    def holds(self, x: float) -> bool:
        return (
            (self.minimum is None or x >= self.minimum)
            and (self.maximum is None or x <= self.maximum)
            and (self.above is None or x > self.above)
            and (self.below is None or x < self.below)
        )

    def __str__(self) -> str:
        signs = ((">=", self.minimum), (">", self.above), ("<=", self.maximum), ("<", self.below))
        return " and ".join(
            f"{sign} {bound if isinstance(bound, int) else f'{bound:g}'}" for sign, bound in signs if bound is not None
        )


class Word:
    """Text that is one directory in any path and one word in any shell."""

    @staticmethod
    def holds(x: str) -> bool:
        return is_safe(x)

    def __str__(self) -> str:
        return "of letters, digits and _ . + = @ -"


@dataclasses.dataclass(frozen=True)
class Part:
    """Marks a mapping with some keys of a section: they are checked, and the mapping is kept as it was given."""

    section: type


Side = Literal["left", "right"]
Name = Annotated[str, Word()]
Count = Annotated[int, Range(minimum=1)]
Natural = Annotated[int, Range(minimum=0)]
Seed = Annotated[int, Range(minimum=0, maximum=2**63 - 1)]
Positive = Annotated[float, Range(above=0)]
NonNegative = Annotated[float, Range(minimum=0)]
Fraction = Annotated[float, Range(minimum=0, maximum=1)]


class Mismatch(ConfigError):
    """A value of another kind than expected; a union tries its next member."""


def read(kind: Any, value: Any, path: str, source: str, *, partial: bool = False) -> Any:
    """`value` as `kind`, converted (2e3 to an int, a mapping to a dataclass). partial: no key is required.

    Raises ConfigError "source: path: what was expected and found". path: dotted, "" for the whole file.
    """
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(typing.cast(type, kind), value, path, source, partial)
    origin = get_origin(kind)
    if origin is Annotated:
        return _read_annotated(kind, value, path, source, partial)
    if origin in (Union, types.UnionType):
        return _read_union(kind, value, path, source, partial)
    if origin is Literal:
        if any(value == choice and type(value) is type(choice) for choice in get_args(kind)):
            return value
        raise Mismatch(_mismatch(kind, value, path, source))
    if origin in (list, tuple, Sequence):
        if not isinstance(value, list | tuple):
            raise Mismatch(_mismatch(kind, value, path, source))
        inner = get_args(kind)[0]
        return (tuple if origin is tuple else list)(
            read(inner, item, f"{path}[{i}]", source, partial=partial) for i, item in enumerate(value)
        )
    if origin in (dict, Mapping):
        name, inner = get_args(kind)
        return {
            read(name, k, path, source): read(inner, v, join(path, k), source, partial=partial)
            for k, v in mapping(value, path, source).items()
        }
    scalar = _scalar(kind, value, path, source)
    if scalar is None:
        raise Mismatch(_mismatch(kind, value, path, source))
    return scalar


def mapping(value: Any, path: str, source: str) -> dict[str, Any]:
    """`value` if it is a mapping with string keys, else ConfigError."""
    if not isinstance(value, Mapping):
        raise Mismatch(_mismatch(dict, value, path, source))
    for key in value:
        if not isinstance(key, str):
            raise ConfigError(f"{where(source, path)}: expected text as a key, found {show(key)}; put it in quotes.")
    return dict(value)


def check_json(value: Any, path: str, source: str) -> None:
    """Raises ConfigError for what JSON, and so the resolved configuration, cannot hold: a date, infinity."""
    if isinstance(value, Mapping):
        for key, item in mapping(value, path, source).items():
            check_json(key, path, source)
            check_json(item, join(path, key), source)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            check_json(item, f"{path}[{i}]", source)
    elif isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ConfigError(f"{where(source, path)}: text with half a character (a surrogate); write the whole one.")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where(source, path)}: expected a finite number, found {value}.")
    elif value is not None and not isinstance(value, bool | int | float):
        found = f"{type(value).__name__} {show(str(value))}"
        raise ConfigError(
            f"{where(source, path)}: expected text, a number, true, false, null, a list or a mapping, found {found}."
        )


def check_keys(keys: Iterable[str], known: Iterable[str], path: str, source: str) -> None:
    names = list(known)
    for key in keys:
        if key not in names:
            raise ConfigError(unknown("key", key, names, where(source, path)))


def missing(kind: Any, path: str, source: str) -> ConfigError:
    return ConfigError(f"{where(source, path)}: missing; expected {describe(kind)}.")


def join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def where(source: str, path: str) -> str:
    return f"{source}: {path}" if path else source


@functools.cache
def hints(cls: Any) -> dict[str, Any]:
    """Field name -> kind, in order, of the fields that a file may give (those of `init`)."""
    types_of = typing.get_type_hints(cls, include_extras=True)
    return {f.name: types_of[f.name] for f in dataclasses.fields(cls) if f.init and not f.name.startswith("_")}


def _read_dataclass(cls: type, value: Any, path: str, source: str, partial: bool) -> Any:
    if not isinstance(value, Mapping):
        raise Mismatch(_mismatch(cls, value, path, source))
    given = mapping(value, path, source)
    kinds = hints(cls)
    check_keys(given, kinds, path, source)
    if partial:
        return {k: read(kinds[k], v, join(path, k), source, partial=True) for k, v in given.items()}
    arguments = {}
    for field in dataclasses.fields(cls):
        if field.name in given:
            arguments[field.name] = read(kinds[field.name], given[field.name], join(path, field.name), source)
        elif (
            field.name in kinds
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ):
            raise missing(kinds[field.name], join(path, field.name), source)
    return cls(**arguments)


def _read_annotated(kind: Any, value: Any, path: str, source: str, partial: bool) -> Any:
    base, *marks = get_args(kind)
    section = next((mark.section for mark in marks if isinstance(mark, Part)), None)
    if section is not None:
        read(section, value, path, source, partial=True)
        return dict(value)
    bounds = [mark for mark in marks if isinstance(mark, Range | Word)]
    if not bounds:
        return read(base, value, path, source, partial=partial)
    scalar = _scalar(base, value, path, source)
    if scalar is not None and all(mark.holds(scalar) for mark in bounds):
        return scalar
    raise Mismatch(_mismatch(kind, value, path, source))


def _read_union(kind: Any, value: Any, path: str, source: str, partial: bool) -> Any:
    members = get_args(kind)
    if value is None and type(None) in members:
        return None
    rest = [m for m in members if m is not type(None)]
    if len(rest) == 1:
        try:
            return read(rest[0], value, path, source, partial=partial)
        except Mismatch as error:
            if not isinstance(value, Mapping | list):
                raise Mismatch(_mismatch(kind, value, path, source)) from None
            raise error from None
    for member in rest:
        try:
            return read(member, value, path, source, partial=partial)
        except Mismatch:
            continue
    raise Mismatch(_mismatch(kind, value, path, source))


def _scalar(kind: Any, value: Any, path: str, source: str) -> Any:
    """`value` as a `kind`, or None where it is none. 2e3 is an integer, 3 a number, true neither."""
    if kind is bool:
        if isinstance(value, str) and value in ("True,", "False,", "true,", "false,"):
            logger.warning('%s: read "%s" as the boolean it means; remove the comma.', where(source, path), value)
            return value.lower() == "true,"
        return value if isinstance(value, bool) else None
    if isinstance(value, bool):
        return None
    if kind is int:
        return int(value) if isinstance(value, int) or (isinstance(value, float) and value.is_integer()) else None
    if kind is float:
        try:
            return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
        except OverflowError:  # an integer above 1e308
            return None
    return value if isinstance(value, kind) else None


def _mismatch(kind: Any, value: Any, path: str, source: str) -> str:
    return f"{where(source, path)}: expected {describe(kind)}, found {show(value)}."


def show(value: Any) -> str:
    """What was found, for a message: short, strings in quotes."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_NAMES: dict[Any, str] = {
    int: "an integer", float: "a number", str: "text", bool: "true or false", dict: "a mapping", list: "a list",
    Any: "a value",
}  # fmt: skip


def describe(kind: Any) -> str:
    """What a kind accepts, in words: 'an integer >= 1', '"left" or "right"', 'a number or null'."""
    if kind in _NAMES:
        return _NAMES[kind]
    if kind is type(None):
        return "null"
    if dataclasses.is_dataclass(kind):
        return f"a mapping of {', '.join(hints(typing.cast(type, kind)))}"
    origin = get_origin(kind)
    arguments = get_args(kind)
    if origin is Annotated:
        bounds = " and ".join(str(mark) for mark in arguments[1:] if isinstance(mark, Range | Word))
        return f"{describe(arguments[0])} {bounds}".strip()
    if origin in (Union, types.UnionType):
        return " or ".join(describe(a) for a in arguments)
    if origin is Literal:
        return " or ".join(show(a) for a in arguments)
    if origin in (list, tuple, Sequence):
        return f"a list, each {describe(arguments[0])}"
    if origin in (dict, Mapping):
        return "a mapping"
    return getattr(kind, "__name__", str(kind))


def sentence(kind: Any) -> str:
    """What a kind says of its key: the text among its marks."""
    return next((mark for mark in getattr(kind, "__metadata__", ()) if isinstance(mark, str)), "")


def plain(value: Any) -> Any:
    """A dataclass as nested dicts and lists, ready for JSON; fields that are None are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value) if f.init)
        return {name: plain(item) for name, item in items if item is not None and not name.startswith("_")}
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
