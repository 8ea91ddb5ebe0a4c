"""Sets which compute kernels and how many threads this process uses, so that CPUs of one maker give the same numbers.

PyTorch, MKL and oneDNN choose kernels by the CPU that they run on, and a sum in another order is another number.
`portable` makes all three use their AVX2 kernels, which every x86-64 CPU of the last ten years has, and makes MKL use
those whose results do not depend on memory alignment. MKL still has other kernels for AMD than for Intel, in some
products, exp, log and square roots (docs/numerics.md). `native` leaves the choice to the libraries. They read their
environment variables once, so these must be set before torch is imported.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import logging
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

log = logging.getLogger(__name__)

Kernels = Literal["portable", "native"]
PORTABLE = {"MKL_CBWR": "AVX2,STRICT", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
THREADS = ("MKL_NUM_THREADS", "OMP_NUM_THREADS")  # in the order in which torch obeys them
PACKAGES = ("torch", "transformers", "tokenizers", "stable-baselines3", "gymnasium", "datasets", "numpy", "sacrebleu")
CPU_INFO = Path("/proc/cpuinfo")


def environment(kernels: Kernels = "portable", n_threads: int | None = None) -> dict[str, str]:
    """The environment variables that select kernels and threads; none for kernels if this CPU lacks AVX2."""
    chosen = PORTABLE if kernels == "portable" and has_avx2() else {}
    return chosen | ({} if n_threads is None else dict.fromkeys(THREADS, str(n_threads)))


def settle_process(kernels: Kernels = "portable", n_threads: int | None = None) -> None:
    """Set kernels and threads of this process and its children.

    n_threads: None takes the number in the environment, at most one a core. If torch is imported already, its threads
    are set but its kernels cannot be: a warning says so once, and `process_facts` reports the kernels in use.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        if kernels == "native":
            for name in [name for name, value in PORTABLE.items() if os.environ.get(name) == value]:
                del os.environ[name]
        os.environ.update(environment(kernels, n_threads or min(_threads(), _n_cores())))
    else:
        if n_threads is not None:
            torch.set_num_threads(n_threads)
            os.environ.update(dict.fromkeys(THREADS, str(n_threads)))  # for child processes
        if kernels != settled_kernels() and has_avx2():
            _warn_late(kernels)


def settled_kernels() -> Kernels:
    """The kernels that this process uses, as far as its environment variables decide."""
    return "portable" if has_avx2() and PORTABLE.items() <= os.environ.items() else "native"


def process_facts() -> dict[str, Any]:
    """Kernels, threads and package versions. Results depend on them, so a run's identity and manifest hold them."""
    return {"kernels": settled_kernels(), "threads": _threads(), "packages": package_versions()}


def package_versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Name -> version of the installed ones among `names`."""
    versions = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


@functools.cache
def has_avx2() -> bool:
    """Whether this is an x86-64 CPU with AVX2 and FMA, as far as the system says (Linux does)."""
    return platform.machine().lower() in ("x86_64", "amd64") and {"avx2", "fma"} <= set(_cpu_facts()["flags"].split())


def cpu_name() -> str:
    """The CPU's model in words, for the manifest."""
    facts = _cpu_facts()
    width = "AVX-512" if "avx512f" in facts["flags"].split() else "AVX2" if has_avx2() else "no AVX2"
    family = f", family {facts['cpu family']}, model {facts['model']}" if facts["cpu family"] else ""
    return f"{facts['model name'] or platform.processor() or platform.machine()}{family}, {width}"


@functools.cache
def _cpu_facts() -> dict[str, str]:
    """The facts that /proc/cpuinfo has about the first CPU; '' for those that it lacks."""
    text = CPU_INFO.read_text(encoding="utf-8", errors="replace") if CPU_INFO.is_file() else ""
    pairs = [line.partition(":") for line in text.partition("\n\n")[0].splitlines()]
    said = {name.strip(): value.strip() for name, _, value in pairs}
    return {name: said.get(name, "") for name in ("model name", "cpu family", "model", "flags")}


def _threads() -> int:
    """The number of threads that torch uses, or will use once it is imported."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    given = [os.environ.get(name, "").split(",")[0] for name in THREADS]  # "4,2" is for nested parallel regions
    return next((int(n) for n in given if n.isdecimal() and int(n)), 0) or _n_cores()


def _n_cores() -> int:
    """The number of physical cores that this process may use."""
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    siblings = [Path(f"/sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list") for n in cpus]
    return len({path.read_text() if path.is_file() else path for path in siblings})


@functools.cache
def _warn_late(kernels: Kernels) -> None:
    variables = " ".join(f"{name}={value}" for name, value in PORTABLE.items())
    log.warning(
        "kernels: %s was asked for, but torch is loaded already, so this process computes with %s ones. "
        "%s in the environment that it starts with makes them portable.",
        kernels,
        settled_kernels(),
        variables,
    )
