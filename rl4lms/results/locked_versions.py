"""Which versions of packages a lock file asks for, and in which an environment differs from it."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;#]+)", re.MULTILINE)


def locked_versions(text: str) -> dict[str, str]:
    """Package -> version. text: of constraints.txt."""
    return {_normal(name): version for name, version in _PIN.findall(text)}


def differing(locked: Mapping[str, str], installed: Mapping[str, str]) -> list[str]:
    """'torch is 2.12.0, locked 2.13.0' for each installed package of another version than the locked one.

    A build's own suffix (2.13.0+cpu) is the same version; a package that is not installed is nobody's.
    """
    there = {_normal(name): version for name, version in installed.items()}
    return [
        f"{name} is {there[name]}, locked {version}"
        for name, version in locked.items()
        if name in there and there[name].partition("+")[0] != version.partition("+")[0]
    ]


def _normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
