"""Several runs, told apart by what they are: those that differ by their seed only belong together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl4lms.config.labels import method_label
from rl4lms.core.errors import ConfigError
from rl4lms.core.work_directory import work_path
from rl4lms.results.run_directory import RunDirectory

_NAMED = ("suite", "task", "method")  # of a run of the pipeline
_IN_LAYOUT = re.compile(r"([^/]+)/runs/([^/]+)/([^/]+)/\.?seed\d+(?:\.work)?$")


@dataclass(frozen=True)
class RunGroup:
    """Runs of one configuration.

    label: what a legend calls them, another one for each group of a task; suite, task, method: of the pipeline's runs,
    "" of others; runs: by seed, ascending.
    """

    label: str
    suite: str
    task: str
    method: str
    runs: Mapping[int, RunDirectory]


@dataclass(frozen=True)
class _Seen:
    """A run before it is grouped. place: its directory, with * in place of its seed."""

    run: RunDirectory
    seed: int
    named: tuple[str, str, str]
    configuration: str
    place: str

    @classmethod
    def of(cls, run: RunDirectory) -> _Seen:
        manifest, config = run.manifest, dict(run.config)
        seed = config.pop("seed", manifest.get("seed"))
        number = seed if isinstance(seed, int) else 0
        suite, task, method = (str(manifest.get(key) or "") for key in _NAMED)
        if not (suite or task or method) and (match := _IN_LAYOUT.search(run.run.resolve().as_posix())):
            suite, task, method = match.groups()  # a run that still trains has a manifest without them
        named = (suite, task, method)
        params = config or manifest.get("params")
        place = re.sub(r"\.(seed\*)\.work$", r"\1", _without_seed(str(run.run), number))
        return cls(run, number, named, _without_seed(json.dumps([params, named], sort_keys=True), number), place)


def open_run(path: Path) -> RunDirectory:
    """A run that has ended, or one that still trains, of which the pipeline publishes the directory at the end."""
    working = work_path(path)
    if not any((path / name).is_file() for name in ("config.json", "manifest.json")) and working.is_dir():
        return RunDirectory(working, working, growing=True)
    run = RunDirectory.open(path)
    return RunDirectory(run.run, run.scores, growing=not (run.run / "model").is_dir())


def grouped(paths: Sequence[Path]) -> list[RunGroup]:
    """The runs in these directories, by configuration, in the order in which they are named.

    Equal configurations that have a seed twice (runs of two versions of the library) are told apart by their
    directories. Raises ConfigError for a directory that is named twice, DataError for one that holds no run.
    """
    seen = [_Seen.of(open_run(path)) for path in paths]
    places = [each.run.run.resolve() for each in seen]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise ConfigError(f"{path}: named twice; name each run once.")
    members: dict[str, list[_Seen]] = {}
    for each in seen:
        members.setdefault(each.configuration, []).append(each)
    groups: list[list[_Seen]] = []
    for found in members.values():
        if len({each.seed for each in found}) == len(found):
            groups.append(found)
        else:
            apart: dict[str, list[_Seen]] = {}
            for each in found:
                apart.setdefault(each.place, []).append(each)
            groups += apart.values()
    return [
        RunGroup(label, *found[0].named, runs={e.seed: e.run for e in sorted(found, key=lambda each: each.seed)})
        for label, found in zip(_labels(groups), groups, strict=True)
    ]


def _labels(groups: Sequence[Sequence[_Seen]]) -> list[str]:
    """By method, with the suite where several are; by directory where that does not tell a task's groups apart."""
    names = [group[0].named for group in groups]
    if all(method for _, _, method in names) and len(set(names)) == len(names):
        several = len({suite for suite, _, _ in names}) > 1
        return [f"{method_label(method)}, {suite}" if several else method_label(method) for suite, _, method in names]
    places = [Path(group[0].place).parts for group in groups]
    if len(places) == 1:
        return [next((part for part in reversed(places[0]) if "*" not in part), places[0][-1])]
    first = next(i for i, parts in enumerate(_columns(places)) if len(set(parts)) > 1)
    last = next(i for i, parts in enumerate(_columns([p[::-1] for p in places])) if len(set(parts)) > 1)
    return ["/".join(parts[first : len(parts) - last]) or "/".join(parts) for parts in places]


def _columns(rows: Sequence[Sequence[str]]) -> Iterable[tuple[str, ...]]:
    """The k-th part of every row, "" where a row has ended."""
    longest = max(map(len, rows))
    return ((tuple(row[i] if i < len(row) else "" for row in rows)) for i in range(longest))


def _without_seed(text: str, seed: Any) -> str:
    """seed3 -> seed* as a part of a path, where 3 is the run's own seed."""
    return re.sub(rf"(?<![A-Za-z0-9])seed{seed}(?![0-9])", "seed*", text)
