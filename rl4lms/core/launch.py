"""What a launcher (torchrun, accelerate launch) tells each process; without a launcher, a process is rank 0 of 1."""

from __future__ import annotations

import os


def launch_rank() -> int:
    """This process's number within the launch. Only process 0 writes files; the others compute."""
    return int(os.environ.get("RANK", "0"))


def launch_size() -> int:
    """How many processes were launched together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """This process's number on its machine, which is also the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))
