"""A lazy registry: a table from ids to objects, or to strings "module:attribute" that are imported on first use."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from rl4lms.core.errors import ConfigError, unknown


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

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def load(self, name: str, where: str = "") -> Any:
        """The object registered under an id. Raises ConfigError for an unknown id."""
        if name not in self._entries:
            raise ConfigError(unknown(self.kind, name, self._entries, where))
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = self._entries[name] = getattr(importlib.import_module(module), attribute)
        return entry
