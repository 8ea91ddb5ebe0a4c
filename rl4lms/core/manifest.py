"""Writes a run's manifest: its code, versions, machine and inputs. Neither DAG declares it as an output."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl4lms import __version__
from rl4lms.core.io import PathLike, read_json, write_json
from rl4lms.core.kernels import cpu_name, process_facts

MANIFEST_FILE = "manifest.json"


def git_revision(directory: str | os.PathLike[str] = ".") -> str | None:
    """The hash of HEAD, followed by "-dirty" if tracked files differ; None outside a git checkout."""
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() or None if run.returncode == 0 else None


def build_manifest(
    *, seed: int | None, device: str, inputs: Mapping[str, str], task_version: int | None = None, **facts: Any
) -> dict[str, Any]:
    """The content of a manifest.

    seed: None if the run draws nothing. inputs: path -> sha256 of every file that the run reads. facts: whatever else
    the caller knows: stage, suite, task, method, and the parameters of a stage that writes no config.json.
    """
    return {
        "rl4lms": __version__,
        "git": git_revision(Path(__file__).parent),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
        "command": sys.argv,
        "seed": seed,
        "device": device,
        "cpu": cpu_name(),
        **process_facts(),
        "task_version": task_version,
        "inputs": dict(inputs),
        **facts,
    }


def add_to_manifest(directory: PathLike, **facts: Any) -> None:
    """Add facts to the manifest of `directory` that only the stage knows: suite, task, method."""
    path = Path(directory) / MANIFEST_FILE
    write_json(path, {**(read_json(path) if path.is_file() else {}), **facts})
