"""What differs between two runs, from their config.json and manifest.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rl4lms.results.run_directory import RunDirectory

# Keys of the manifest by what they are about; `inputs` and `params` are compared by their own rules.
_GROUPS = {
    "run": ("stage", "suite", "task", "method", "family", "name", "task_version", "seed"),
    "code": ("rl4lms", "git", "python"),
    "machine": ("platform", "host", "device", "cpu", "kernels", "threads"),
}
_SHORT = 12  # digits of a digest that are shown
_ABSENT = object()


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same. group: run, params, inputs, code, packages or machine.

    in_a, in_b: whether the run has it at all; a, b: None where it has not.
    """

    group: str
    key: str
    a: Any
    b: Any
    in_a: bool = True
    in_b: bool = True


def differences(a: RunDirectory, b: RunDirectory) -> list[Difference]:
    """All of them, in the order: run, params, inputs, code, packages, machine. The command line is no difference."""
    ours, theirs = a.manifest, b.manifest
    params_a, params_b = (_params(run.config, m) for run, m in ((a, ours), (b, theirs)))
    found = list(_compared("run", _chosen(ours, "run"), _chosen(theirs, "run")))
    found += _compared("params", params_a, params_b)
    found += input_differences(ours.get("inputs") or {}, theirs.get("inputs") or {})
    found += _compared("code", _chosen(ours, "code"), _chosen(theirs, "code"))
    found += _compared("packages", ours.get("packages") or {}, theirs.get("packages") or {})
    found += _compared("machine", _chosen(ours, "machine"), _chosen(theirs, "machine"))
    return found


def input_differences(a: Mapping[str, str], b: Mapping[str, str]) -> list[Difference]:
    """a, b: path -> sha256 of what each run read. A file of equal content at another path is the same input."""
    found = [Difference("inputs", p, a[p][:_SHORT], b[p][:_SHORT]) for p in a if p in b and a[p] != b[p]]
    only_a = {path: digest for path, digest in a.items() if path not in b}
    only_b = {path: digest for path, digest in b.items() if path not in a}
    moved = set(only_a.values()) & set(only_b.values())
    found += [Difference("inputs", p, d[:_SHORT], None, in_b=False) for p, d in only_a.items() if d not in moved]
    found += [Difference("inputs", p, None, d[:_SHORT], in_a=False) for p, d in only_b.items() if d not in moved]
    return sorted(found, key=lambda each: each.key)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, leaf) of nested mappings and lists; a list's items have numbers. An empty one is a leaf."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for i, inner in enumerate(value):
            yield from flat(inner, f"{path}[{i}]")
    else:
        yield path, value


def _params(config: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved configuration, or the params of a stage whose config.json is another thing (a model's)."""
    return dict(flat(manifest.get("params") or config))


def _chosen(manifest: Mapping[str, Any], group: str) -> dict[str, Any]:
    return {key: manifest[key] for key in _GROUPS[group] if key in manifest}


def _compared(group: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    for key in dict.fromkeys([*a, *b]):
        ours, theirs = a.get(key, _ABSENT), b.get(key, _ABSENT)
        if ours != theirs or type(ours) is not type(theirs):
            in_a, in_b = ours is not _ABSENT, theirs is not _ABSENT
            yield Difference(group, key, ours if in_a else None, theirs if in_b else None, in_a, in_b)
