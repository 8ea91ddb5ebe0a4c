"""Does dvc.lock hold every stage of dvc.yaml? python scripts/check_lock.py NAME

DVC rewrites the file in place: killed while it does, it leaves one that is valid and shorter, and says "up to date".
Exit code 1, after one line that starts with NAME, where stages are missing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

LOCK = Path("dvc.lock")
_SHOWN = 3


def declared() -> list[str]:
    """The stages of dvc.yaml, every one of a matrix by its own name."""
    listed = subprocess.run(["dvc", "stage", "list", "--name-only"], capture_output=True, text=True, check=True)
    return listed.stdout.split()


def locked(path: Path = LOCK) -> set[str]:
    """The stages that the lock file holds; none where it is missing or was cut in the middle of a line."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return set()
    stages = content.get("stages") if isinstance(content, dict) else None
    return set(stages) if isinstance(stages, dict) else set()


def main(name: str) -> int:
    stages, held = declared(), locked()
    missing = [stage for stage in stages if stage not in held]
    if not missing:
        return 0
    shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
    print(f"{name}: dvc.lock lacks {len(missing)} of {len(stages)} stages ({shown}).", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
