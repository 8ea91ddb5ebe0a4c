"""A lazy registry: a table from ids to objects, or to strings "module:attribute" that are imported on first use."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl4lms.core.errors import ConfigError, did_you_mean, unknown

_PLACE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")  # of a class or function: "module:name"


class Registry:
    """The ids of one kind ("reward function", "metric", ...)."""

    def __init__(self, kind: str, entries: Mapping[str, Any] | None = None) -> None:
        self.kind = kind
        self._entries: dict[str, Any] = dict(entries or {})
        self._shipped = set(self._entries)

    def add(self, name: str, entry: Any) -> None:
        """Register `entry`, an object or "module:attribute". As in RL4LMs, it replaces an existing one."""
        self._entries[name] = entry
        self._shipped.discard(name)

    def is_shipped(self, name: str) -> bool:
        """Whether an id still has the entry that the library ships, whose arguments are known."""
        return name in self._shipped

    def ids(self) -> list[str]:
        return sorted(self._entries)

    def shipped(self) -> list[str]:
        """The ids that are ours."""
        return sorted(self._shipped)

    def admit(self, name: str) -> bool:
        """Whether `name` is an id. "module:name" becomes one, and is loaded from there when it is used."""
        if name not in self._entries and _PLACE.fullmatch(name):
            self.add(name, name)
        return name in self._entries

    def id_of(self, entry: Any) -> str | None:
        """The id under which an object is registered."""
        return next((name for name, each in self._entries.items() if each is entry), None)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def load(self, name: str, where: str = "") -> Any:
        """The object registered under an id. Raises ConfigError for an unknown id."""
        if not self.admit(name):
            raise ConfigError(self.unknown(name, where))
        entry = self._entries[name]
        if isinstance(entry, str):
            entry = self._entries[name] = self._imported(entry, shipped=name in self._shipped)
        return entry

    def unknown(self, name: str, where: str = "") -> str:
        """One line for an id that is not there."""
        if "@" in name:
            return (
                f'{where or self.kind}: "{name}" is an object that a Python program gave to rl4lms.train, and no file '
                "can name it; call rl4lms.train again, or write it into a module and name it module:name."
            )
        return unknown(self.kind, name, self._entries, where)

    def _imported(self, entry: str, *, shipped: bool) -> Any:
        """The object at "module:name"; a user's module may also lie in the current directory."""
        module, _, path = entry.partition(":")
        if not shipped and str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if shipped or error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            raise ConfigError(
                f'{self.kind} "{entry}": Python finds no module {error.name}, expected {error.name}.py in the current '
                "directory or on PYTHONPATH."
            ) from None
        for name in path.split("."):
            if not hasattr(found, name):
                near = did_you_mean(name, vars(found))
                raise ConfigError(f'{self.kind} "{entry}": there is no {name} in {module}.{near}')
            found = getattr(found, name)
        return found


def short_name(id: str) -> str:  # noqa: A002 - what a registry calls it
    """What a result of an id's is called: "brevity" of brevity@3f2a91c0 and of my_rewards:brevity."""
    return id.partition("@")[0].rpartition(":")[2].rpartition(".")[2]
