"""What a launcher (torchrun, accelerate launch) tells each of its processes; one process alone is rank 0 of 1."""

from __future__ import annotations

import os


def launch_rank() -> int:
    """This process's number within the launch. The first one writes files; the others only compute."""
    return int(os.environ.get("RANK", "0"))


def launch_size() -> int:
    """How many processes were launched together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """This process's number on its machine, which is also that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))
