"""A stage that kills itself just before its Nth write: `python kill_at_write.py N COUNT_FILE STAGE ...` (0: never).

Writes are what a resume depends on the order of: renames, links, fsyncs, truncations and removals. Their number goes to
COUNT_FILE when the stage ends.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

WRITES = ("replace", "rename", "link", "fsync", "truncate", "unlink", "rmdir")


def main(kill_at: int, count_file: str, arguments: list[str]) -> int:
    done = 0

    def counted(name: str) -> Any:
        original = getattr(os, name)

        def write(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            done += 1
            if done == kill_at:
                path = os.readlink(f"/proc/self/fd/{args[0]}") if isinstance(args[0], int) else os.fsdecode(args[0])
                what = re.sub(r"([.][a-z0-9_]{8})?~rl4lms$", "", Path(path).name)  # without what is random in it
                print(f"write {done}, {name} of {what}", flush=True)
                os.killpg(0, signal.SIGKILL)
            return original(*args, **kwargs)

        return write

    for name in WRITES:
        setattr(os, name, counted(name))
    from rl4lms.cli.main import main as stage

    code = stage(arguments)
    n_writes, done = done, kill_at  # the count's own are not the stage's
    Path(count_file).write_text(str(n_writes))
    return code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
