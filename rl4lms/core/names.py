"""Checks names that become parts of paths and commands: names of runs, tasks, algorithms, models and suites."""

from __future__ import annotations

import re

from rl4lms.core.errors import ConfigError

PATTERN = r"[A-Za-z0-9_][A-Za-z0-9_.+=@-]*"
LONGEST = 128


def is_safe(name: str) -> bool:
    """Whether a name can be one directory of a path and one word of a shell command."""
    return len(name) <= LONGEST and re.fullmatch(PATTERN, name) is not None


def check_name(name: str, what: str) -> str:
    """Return `name`. Raises ConfigError if it is not safe. what: the name's key, for the message."""
    if not is_safe(name):
        shown = name if len(name) <= 60 else f"{name[:57]}..."
        raise ConfigError(
            f"{what}: {shown!r} is not a name; expected letters, digits and _ . + = @ -, not starting with a dot or a "
            f"sign, at most {LONGEST} characters."
        )
    return name
