"""How a process computes: by which kernels, and on how many threads.

PyTorch, MKL and oneDNN choose their kernels by the CPU that they find, and sums in another order are other numbers.
`portable` has all of them take the kernels of AVX2, which every x86-64 CPU of the last ten years has, and MKL those of
them whose results do not depend on the alignment of memory; `native` leaves the choice to them. They read it from the
environment, once, so it is settled before torch is imported.
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
    """What the environment of a process says that computes so; nothing of kernels where this CPU lacks AVX2."""
    chosen = PORTABLE if kernels == "portable" and has_avx2() else {}
    return chosen | ({} if n_threads is None else dict.fromkeys(THREADS, str(n_threads)))


def settle_process(kernels: Kernels = "portable", n_threads: int | None = None) -> None:
    """Have this process and its children compute so. n_threads: None takes what the environment says, or every core.

    Where torch is imported already its threads are still set, and without this it takes no more than there are cores;
    but not its kernels: that is said once, and `process_facts` gives the kernels that there are.
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
            os.environ.update(dict.fromkeys(THREADS, str(n_threads)))  # of the children
        if kernels != settled_kernels() and has_avx2():
            _warn_late(kernels)


def settled_kernels() -> Kernels:
    """What this process computes with, as far as its environment decides."""
    return "portable" if has_avx2() and PORTABLE.items() <= os.environ.items() else "native"


def process_facts() -> dict[str, Any]:
    """What results depend on beside configuration, inputs and code: part of a run's identity and of its manifest."""
    return {"kernels": settled_kernels(), "threads": _threads(), "packages": package_versions()}


def package_versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """The versions of those packages that are installed."""
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
    """The CPU's model in words, for a manifest: its own kernels may give other results than another's."""
    facts = _cpu_facts()
    width = "AVX-512" if "avx512f" in facts["flags"].split() else "AVX2" if has_avx2() else "no AVX2"
    family = f", family {facts['cpu family']}, model {facts['model']}" if facts["cpu family"] else ""
    return f"{facts['model name'] or platform.processor() or platform.machine()}{family}, {width}"


@functools.cache
def _cpu_facts() -> dict[str, str]:
    """What the system says of its first CPU."""
    text = CPU_INFO.read_text(encoding="utf-8", errors="replace") if CPU_INFO.is_file() else ""
    pairs = [line.partition(":") for line in text.partition("\n\n")[0].splitlines()]
    said = {name.strip(): value.strip() for name, _, value in pairs}
    return {name: said.get(name, "") for name in ("model name", "cpu family", "model", "flags")}


def _threads() -> int:
    """Torch's threads: what it says itself, once it is imported, else what it will take."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    given = [os.environ.get(name, "").split(",")[0] for name in THREADS]  # "4,2": of nested parallel regions
    return next((int(n) for n in given if n.isdecimal() and int(n)), 0) or _n_cores()


def _n_cores() -> int:
    """The cores that this process may use; two hardware threads of one core are one."""
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
