"""`--set key=value`: values in place of those that a file gives, set before it is read, and checked as if it gave them.

A key is the dotted path of the schema (`python -m rl4lms schema`), `train_evaluation.metrics[0].id` for an item of a
list; a value is YAML, so that 1e-5 is a number, null is nothing and [1, 2] a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rl4lms.config.reader import join, show
from rl4lms.config.yaml_file import parse_yaml
from rl4lms.core.errors import ConfigError

_KEY = re.compile(r"[^.\[\]=]+(\.[^.\[\]=]+|\[\d+\])*")
_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


def parse_changes(texts: Iterable[str]) -> dict[str, Any]:
    """The changes in texts "key=value"; of two for one key the last counts. Raises ConfigError."""
    changes = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"--set {text}: expected KEY=VALUE, such as alg.args.learning_rate=1e-5.")
        changes[key.strip()] = parse_yaml(value, f"--set {key}")
    return changes


def override(given: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`given` with the value at each dotted key of `changes`; what is on the way to it is made where it is missing.

    Raises ConfigError for a key that leads through something that is no mapping, or to an item that is not there.
    """
    changed = dict(given)
    for key, value in changes.items():
        if not _KEY.fullmatch(key):
            raise ConfigError(f"--set {show(key)}: expected a key such as alg.args.learning_rate or metrics[0].id.")
        changed = _with(changed, _STEP.findall(key), value, "")
    return changed


def noted(source: str, changes: Mapping[str, Any] | None) -> str:
    """What an error's line begins with, which says whether values were set in place of the file's."""
    return f"{source} with --set" if changes else source


def _with(section: Any, steps: Sequence[str], value: Any, path: str) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if step.startswith("["):
        i = int(step[1:-1])
        if not isinstance(section, list | tuple) or i >= len(section):
            found = f"a list of {len(section)}" if isinstance(section, list | tuple) else show(section)
            raise ConfigError(f"--set: {path}: expected a list with an item {step}, found {found}.")
        return [*section[:i], _with(section[i], rest, value, path + step), *section[i + 1 :]]
    if section is not None and not isinstance(section, Mapping):
        raise ConfigError(f"--set: {path}: expected a mapping that may hold {step}, found {show(section)}.")
    section = section or {}
    return {**section, step: _with(section.get(step), rest, value, join(path, step))}
