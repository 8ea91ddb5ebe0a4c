"""Errors a user can act on: what was found, what was expected, and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user gave is wrong; the command line prints the message alone and exits with 2."""

    exit_code = 2


class ConfigError(UserError):
    """A key, value, id or path of a configuration; the message names the key path."""


class DataError(UserError):
    """A data file, row or column; the message names file and row."""


class RunError(UserError):
    """A run that cannot go on (a reward that is not finite, a policy that does not reproduce its own rollout)."""

    exit_code = 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean "x"?' for the nearest of `known`, or '' where none is near."""
    near = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""


def unknown(kind: str, name: object, known: Iterable[str], where: str = "") -> str:
    """One line for an unknown name: what it is, the nearest right one, and the list of all."""
    names = sorted(str(k) for k in known)
    prefix = f"{where}: " if where else ""
    return f'{prefix}unknown {kind} "{name}".{did_you_mean(str(name), names)} Known: {", ".join(names) or "none"}.'
