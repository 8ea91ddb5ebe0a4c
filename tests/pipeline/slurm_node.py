"""A SLURM cluster of one node on this machine: Debian's munged, slurmctld and slurmd, all their state in a directory.

    python -m tests.pipeline.slurm_node DIRECTORY

starts it and prints the command that uses it, until Ctrl-C. Needs root, and installs Debian's slurm-wlm and munge where
they are missing. The node says that it has 2 cores and 16 GB whatever the machine has. There is no accounting database:
Snakemake asks squeue (STATUS_OPTIONS). Every second, jobs that take more memory than they asked for are ended.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

CONFIG = Path("/etc/slurm/slurm.conf")  # srun within a job finds no other: Snakemake's plugin clears SLURM_CONF there
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
N_CORES, MEMORY_MB = 2, 16_000
# For a cluster without accounting, and jobs of seconds.
STATUS_OPTIONS = ("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5")


class SlurmError(Exception):
    """A daemon that does not start (the message holds its log), or a machine that has a SLURM of its own."""


def install() -> None:
    """Debian's packages, where a program of theirs is missing."""
    if all(shutil.which(program) for program in PROGRAMS):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    packages = ("slurm-wlm", "munge")
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment, stdout=subprocess.DEVNULL)
    install = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *packages]
    subprocess.run(install, check=True, env=environment, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def one_node(root: Path) -> Iterator[None]:
    """A running cluster whose files lie under `root`. Raises SlurmError."""
    if CONFIG.is_symlink() and not _answers():
        CONFIG.unlink()  # what a killed run has left
    if CONFIG.exists():
        raise SlurmError(f"{CONFIG} is there: this machine has a SLURM of its own, which is left alone.")
    for name in ("munge", "state", "spool"):
        (root / name).mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    config = root / "slurm.conf"
    config.write_text(configuration(root))
    CONFIG.parent.mkdir(exist_ok=True)
    CONFIG.symlink_to(config)
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        daemons.append(_start(root, *_munged(root)))
        _wait(root, "munged", (root / "munge/socket").exists)
        daemons += [_start(root, "slurmctld", "-D"), _start(root, "slurmd", "-D")]
        _wait(root, "slurmd", lambda: "idle" in _sinfo())
        yield
        subprocess.run(["scancel", "--user", "root"], check=False)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(20)
            daemon.kill()
            daemon.wait()
        CONFIG.unlink()


def configuration(root: Path) -> str:
    """slurm.conf: no cgroups (a container may have none), no accounting, a job is two processes' worth at most."""
    host = socket.gethostname().partition(".")[0]
    controller_port, node_port = _free_ports(2)
    return f"""ClusterName=one_node
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket,cred_expire=5
CredType=cred/munge
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,batch_sched_delay=0,sched_min_interval=0
MinJobAge=86400
ReturnToService=2
KillWait=20
NodeName={host} NodeAddr=127.0.0.1 CPUs={N_CORES} RealMemory={MEMORY_MB}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def _munged(root: Path) -> list[str]:
    key = root / "munge/key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    files = {"key-file": key, "socket": root / "munge/socket", "pid-file": root / "munge/pid"}
    files |= {"log-file": root / "munge/log", "seed-file": root / "munge/seed"}
    return ["munged", "--foreground", "--force", *(f"--{option}={path}" for option, path in files.items())]


def _start(root: Path, *command: str) -> subprocess.Popen[bytes]:
    """A daemon that ends with this process, however that ends."""
    with (root / f"{command[0]}.log").open("wb") as log:
        return subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], stdout=log, stderr=subprocess.STDOUT)


def _wait(root: Path, daemon: str, ready: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            logs = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-800:]}" for path in root.glob("*.log"))
            raise SlurmError(f"{daemon} is not ready after {seconds:.0f} s.\n{logs}")
        time.sleep(0.2)


def _answers() -> bool:
    return "UP" in subprocess.run(["scontrol", "ping"], capture_output=True, text=True, check=False).stdout


def _sinfo() -> str:
    return subprocess.run(["sinfo", "--noheader", "--format", "%T"], capture_output=True, text=True, check=False).stdout


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


if __name__ == "__main__":
    install()
    for end in (signal.SIGTERM, signal.SIGINT):
        signal.signal(end, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), one_node(Path(sys.argv[1]).resolve()):
        print(f"snakemake --profile workflow/profiles/slurm {' '.join(STATUS_OPTIONS)} grue_all", flush=True)
        while True:
            time.sleep(1)
