"""DVC's experiments as a table that fits a terminal: what each one changed, and the scores that it changed.

    python scripts/show_experiments.py [--width 80] [options of dvc exp show: -A, -n 2, --rev main]

`dvc exp show` has a column for every parameter, code directory and file; this reads its JSON. An experiment's name is
followed by the parameters in which it differs from the commit that it started from. Scores that are the same in all
rows, and those for which there is no room, are named below the table.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MIN_FIRST, MAX_FIRST, MIN_COLUMN, GAP = 20, 32, 6, 2
CODE, OVERLAY = "rl4lms", "params/suites/"


@dataclass(frozen=True)
class Row:
    """A commit or an experiment. changes: one text each. scores: empty where `state` (queued, failed, ...) says why."""

    name: str
    changes: tuple[str, ...]
    scores: Mapping[str, float]
    state: str


def read_rows(commits: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The rows of `dvc exp show --json`: each commit, then its experiments; the workspace is left out."""
    rows = []
    for commit in commits:
        if commit["rev"] == "workspace":
            continue
        rows.append(_row(commit["name"] or commit["rev"][:7], commit, None))
        for experiment in commit["experiments"] or []:
            latest, executor = experiment["revs"][0], experiment["executor"] or {}
            name = experiment["name"] or latest["rev"][:7]
            rows.append(_row(f"  {name}", latest, commit["data"], executor.get("state") or ""))
    return rows


def _row(name: str, entry: Mapping[str, Any], baseline: Mapping[str, Any] | None, state: str = "") -> Row:
    data = entry["data"] or {}
    failed = "failed" if entry["error"] else ""
    scores = {k: v for k, v in _leaves(data.get("metrics")).values() if isinstance(v, int | float)}
    changes = _changes(data, baseline) if data and baseline else ()
    return Row(name, changes, scores, failed or (state.lower() if state.lower() != "success" else ""))


def _leaves(files: Mapping[str, Any] | None) -> dict[str, tuple[str, Any]]:
    """file:dotted.key -> (dotted.key, value), of {file: {"data": nested}}."""
    leaves: dict[str, tuple[str, Any]] = {}

    def walk(file: str, key: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                walk(file, f"{key}.{name}" if key else name, inner)
        else:
            leaves[f"{file}:{key}"] = (key, value)

    for file, content in (files or {}).items():
        walk(file, "", content.get("data") or {})
    return leaves


def _changes(data: Mapping[str, Any], baseline: Mapping[str, Any]) -> tuple[str, ...]:
    """Parameters that differ, as "ppo clip_range=0.1"; then the code and the suite's overlay where they do."""
    now, before = _leaves(data.get("params")), _leaves(baseline.get("params"))
    changed = {path: now[path] for path in now if path not in before or now[path] != before[path]}
    names = [_short(path) for path in changed]
    texts = [
        f"{name if names.count(name) == 1 else path}={_plain(value)}"
        for name, (path, (_, value)) in zip(names, changed.items(), strict=True)
    ]
    deps = [path for path, dep in data.get("deps", {}).items() if dep != baseline.get("deps", {}).get(path)]
    code = ["code"] if CODE in deps else []
    return (*texts, *(path for path in deps if path.startswith(OVERLAY)), *code)


def _short(path: str) -> str:
    """ "params/algs/ppo.yaml:args.clip_range" -> "ppo clip_range"."""
    file, _, key = path.partition(":")
    return f"{file.rpartition('/')[2].partition('.')[0]} {key.rpartition('.')[2]}"


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, str) else json.dumps(value)


def table(rows: Sequence[Row], width: int) -> str:
    """The rows in at most `width` columns, headings stacked by word."""
    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    same = [name for name in names if len(rows) > 1 and len({row.scores.get(name) for row in rows if row.scores}) == 1]
    longest = max((len(row.name) for row in rows), default=0)
    shown, left_out, room = [], [], width - min(max(longest, MIN_FIRST), MAX_FIRST)
    for name in (name for name in names if name not in same):
        room -= GAP + _column(name)
        (shown if room >= 0 else left_out).append(name)
    first = width - sum(GAP + _column(name) for name in shown)
    lines = [*_heading(shown, first), "-" * width]
    for row in rows:
        lines += _lines(row, shown, first)
    if same:
        values = next(row.scores for row in rows if row.scores)
        lines += ["", *textwrap.wrap("The same in all: " + ", ".join(f"{n} {_number(values[n])}" for n in same), width)]
    if left_out:
        lines += ["", *textwrap.wrap(f"No room for {', '.join(left_out)}: --width.", width)]
    return "\n".join(line.rstrip() for line in lines)


def _words(name: str) -> list[str]:
    return name.removeprefix("score_").split("_")


def _column(name: str) -> int:
    return max(MIN_COLUMN, *(len(word) for word in _words(name)))


def _heading(names: Sequence[str], first: int) -> list[str]:
    words = [_words(name) for name in names]
    height = max((len(stack) for stack in words), default=1)
    lines = []
    for line in range(height):
        cells = [
            (stack[line - height] if len(stack) >= height - line else "").rjust(GAP + _column(name))
            for name, stack in zip(names, words, strict=True)
        ]
        lines.append(("experiment" if line == height - 1 else "").ljust(first) + "".join(cells))
    return lines


def _lines(row: Row, names: Sequence[str], first: int) -> list[str]:
    numbers = "".join(_number(row.scores.get(name)).rjust(GAP + _column(name)) for name in names)
    changes = [
        line
        for change in row.changes
        for line in textwrap.wrap(change, first, initial_indent="    ", subsequent_indent="      ")
    ]
    name = row.name if len(row.name) <= first else f"{row.name[: first - 1]}…"
    return [name.ljust(first) + (f"  {row.state}" if row.state else numbers), *changes]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--width", type=int, default=shutil.get_terminal_size((80, 24)).columns, help="of the table")
    args, options = parser.parse_known_args(argv)
    command = ["dvc", "exp", "show", "--json", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        print(f"error: {' '.join(command)}: {result.stderr.strip()}", file=sys.stderr)
        return 2
    print(table(read_rows(json.loads(result.stdout)), args.width))
    return 0


if __name__ == "__main__":
    sys.exit(main())
