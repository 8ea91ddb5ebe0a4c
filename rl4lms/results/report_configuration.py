"""The configurations of the report: the suite's params, and what every run resolved to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from rl4lms.config.labels import method_label

RunKey = tuple[str, str, int]


@dataclass(frozen=True)
class Configuration:
    """params: file of params/ -> content. runs: (task, method, seed) -> config.json of every trained run."""

    params: Mapping[str, Any]
    runs: Mapping[RunKey, Mapping[str, Any]]

    def shown_params(self) -> list[tuple[str, str]]:
        return [(name, as_yaml(content)) for name, content in self.params.items()]

    def shown_runs(self, task: str, methods: Sequence[str], seeds: Sequence[int]) -> list[dict[str, Any]]:
        """Of every method that was trained: the first seed's configuration, and what the other seeds' have else."""
        shown = []
        for method in methods:
            found = {seed: self.runs[task, method, seed] for seed in seeds if (task, method, seed) in self.runs}
            if found:
                (first, config), *others = found.items()
                differences = [(seed, changes(config, other)) for seed, other in others]
                label = method_label(method)
                shown.append({"label": label, "seed": first, "text": as_yaml(config), "others": differences})
        return shown


def as_yaml(content: Any) -> str:
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100))


def changes(one: Any, other: Any) -> list[str]:
    """Lines "dotted.key: value" of what `other` has else than `one`; a key that it lacks is said to be absent."""
    before, after = dict(_leaves(one, "")), dict(_leaves(other, ""))
    lines = [f"{key}: {_short(value)}" for key, value in after.items() if key not in before or before[key] != value]
    return [*lines, *(f"{key}: absent" for key in before if key not in after)]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for i, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{i}]")
    else:
        yield path, value


def _short(value: Any) -> str:
    return as_yaml(value).removesuffix("...\n").strip()
