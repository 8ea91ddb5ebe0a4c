"""Break each detail of the numerical contract, and see the tests fail.

    python -m tests.mutations [--only 4,11] [--jobs 2]

A mutation is one replacement in a copy of the package; it is caught when the tests named beside it fail. Lines are
those of docs/numerics.md. Exit code 1 where a mutation survives, or no longer applies.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """tests: node ids, one of which must fail once `new` stands for `old` in rl4lms/<file>."""

    line: int
    detail: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def mutation(line: int, detail: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    return Mutation(line, detail, file, old, new, tests)
