"""Tells the checkpoints that this library wrote from other directories. Every reader and remover uses this rule."""

from __future__ import annotations

import re
from pathlib import Path

from rl4lms.core.errors import UserError
from rl4lms.core.io import read_json

TENSORS, STATE, BEST = "tensors.safetensors", "state.json", "best"
_NAME = re.compile(r"[0-9]{8,18}")


def checkpoint_name(iteration: int) -> str:
    return f"{iteration:08d}"


def is_checkpoint(path: Path) -> bool:
    """Whether a directory has the name and the files of a checkpoint, so that it may be removed.

    The name does not decide: a user's directory may be called 20240101.
    """
    iteration = _iteration(path)
    named = iteration is not None and path.name in (BEST, checkpoint_name(iteration))
    return named and (path / TENSORS).is_file()


def may_be_checkpoint(path: Path) -> bool:
    """Whether a directory is a numbered checkpoint, or could be a damaged one."""
    if not _NAME.fullmatch(path.name) or path.name != checkpoint_name(int(path.name)):
        return False
    iteration = _iteration(path)
    return iteration == int(path.name) or (iteration is None and (path / TENSORS).is_file())


def _iteration(path: Path) -> int | None:
    """The iteration in state.json; None if that file is missing, damaged or was written by another program."""
    try:
        state = read_json(path / STATE)
    except (OSError, ValueError, RecursionError, UserError):
        return None
    iteration = state.get("iteration") if isinstance(state, dict) else None
    return iteration if type(iteration) is int and iteration >= 0 else None
