"""The names that transformers.TrainingArguments takes, read from its source: importing it costs four CPU-seconds."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
from pathlib import Path
from typing import Any

from rl4lms.config.reader import check_keys, join, mapping, where
from rl4lms.core.errors import ConfigError

_OURS = {
    "output_dir": "the run directory is chosen by the command line",
    "seed": "use the top-level key seed",
    "data_seed": "use the top-level key seed",
}


@functools.cache
def training_argument_names() -> frozenset[str]:
    """Fields of TrainingArguments in the installed transformers."""
    path = Path(str(importlib.metadata.distribution("transformers").locate_file("transformers/training_args.py")))
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == "TrainingArguments":
            targets = (n.target for n in node.body if isinstance(n, ast.AnnAssign))
            return frozenset(t.id for t in targets if isinstance(t, ast.Name) and not t.id.startswith("_"))
    raise RuntimeError(f"{path}: no class TrainingArguments")


def read_training_args(value: Any, path: str, source: str) -> dict[str, Any]:
    """`training_args` with every name known. Raises ConfigError; values are left to transformers."""
    given = mapping(value, path, source)
    for name, reason in _OURS.items():
        if name in given:
            raise ConfigError(f"{where(source, join(path, name))}: not taken here; {reason}.")
    check_keys(given, sorted(training_argument_names() - _OURS.keys()), path, source)
    return given
