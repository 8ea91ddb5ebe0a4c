"""What a data pool, a reward function or a metric takes: read from the signature of its class.

A signature has names, kinds and defaults; `Annotated[int, Range(...), "What it is."]` adds bounds and a sentence. So an
id has one row, where its class is, and a class says by itself what it takes. Our classes import no model library.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rl4lms.config.reader import check_keys, join, missing, read
from rl4lms.core.registry import Registry
from rl4lms.core.tables import takes_completions

_GIVEN_BY_US = frozenset({"accelerator", "n_rows", "split"})  # arguments that no configuration gives
_TEXTS = frozenset({"prompts", "completions", "references"})  # to a function that scores texts


@dataclass(frozen=True)
class ArgumentsOf:
    """Marks `**args` that are the arguments of another class, or the keys of a TypedDict."""

    made: Any


@dataclass(frozen=True)
class Signature:
    """kinds: of the arguments by name. open: others are taken as well.

    defaults: of those that may be left out; ... where a library has its own.
    """

    kinds: Mapping[str, Any]
    defaults: Mapping[str, Any]
    open: bool = False


def read_arguments(table: Registry, name: str, args: Mapping[str, Any], path: str, source: str) -> dict[str, Any]:
    """The arguments of an id, checked against its signature; a user's class checks the values itself.

    Raises ConfigError for an unknown name, one that is missing, and a value of another kind.
    """
    entry = table.load(name)
    signature = signature_of(made_by(entry))
    if not signature.open:
        check_keys(args, signature.kinds, path, source)
    shipped = table.is_shipped(name)
    by_columns = takes_completions(entry) and not shipped  # a column fills what is not given
    for key, kind in signature.kinds.items():
        if key not in args and key not in signature.defaults and not by_columns:
            raise missing(kind if shipped else Any, join(path, key), source)
    kinds = signature.kinds if shipped else {}
    return {key: read(kinds.get(key, Any), value, join(path, key), source) for key, value in args.items()}


def made_by(entry: Any) -> Any:
    """What is called with the arguments: a pool's `prepare`, or the class or function itself."""
    return getattr(entry, "prepare", entry)


@functools.cache
def signature_of(made: Callable[..., Any]) -> Signature:
    """The signature of a class or function; an open one where it cannot be read."""
    try:
        parameters = inspect.signature(made).parameters
    except (TypeError, ValueError):
        return Signature({}, {}, open=True)
    hints = _hints(made.__init__ if inspect.isclass(made) else made)
    given = _GIVEN_BY_US | _TEXTS if takes_completions(made) else _GIVEN_BY_US
    kinds: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    is_open = False
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            marks = (m for m in getattr(hints.get(name), "__metadata__", ()) if isinstance(m, ArgumentsOf))
            others = next((_arguments_of(mark.made) for mark in marks), Signature({}, {}, open=True))
            kinds, defaults, is_open = {**kinds, **others.kinds}, {**defaults, **others.defaults}, others.open
        elif parameter.kind is not parameter.VAR_POSITIONAL and name not in given:
            kinds[name] = hints.get(name, Any)
            if parameter.default is not parameter.empty:
                defaults[name] = parameter.default
    return Signature(kinds, defaults, is_open)


def _arguments_of(made: Any) -> Signature:
    if typing.is_typeddict(made):
        return Signature(_hints(made), dict.fromkeys(made.__optional_keys__, ...))
    return signature_of(made)


def _hints(made: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(made, include_extras=True)
    except Exception:  # a user's annotation may name what is imported for type checkers only
        return {}
