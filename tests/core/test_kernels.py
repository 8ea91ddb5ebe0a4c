"""How a process computes: settled before torch is imported, told afterwards, part of a run's identity."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rl4lms.core import kernels
from rl4lms.core.kernels import PORTABLE, THREADS, cpu_name, environment, has_avx2, process_facts, settle_process
from rl4lms.results.reexecution import cpu_maker
from tests.golden.kernels import fingerprint, operations, recorded

OPERATIONS = operations()
needs_avx2 = pytest.mark.skipif(not has_avx2(), reason="this CPU has no AVX2, so it has no portable kernels")


def ask(code: str, **variables: str) -> str:
    """What a fresh process prints whose environment says nothing of kernels and threads but `variables`."""
    plain = {k: v for k, v in os.environ.items() if k not in (*PORTABLE, *THREADS)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=plain | variables, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout + run.stderr


SETTLED = """
import os
from rl4lms.core.kernels import PORTABLE, process_facts, settle_process
settle_process({arguments})
before = process_facts()
import torch
assert process_facts() == before, (process_facts(), before)
print(before["kernels"], before["threads"], sorted(os.environ.keys() & PORTABLE.keys()))
"""


@needs_avx2
@pytest.mark.slow
def test_a_process_is_portable_unless_it_is_told_otherwise() -> None:
    assert ask(SETTLED.format(arguments="")) == f"portable {kernels._n_cores()} {sorted(PORTABLE)}\n"
    assert ask(SETTLED.format(arguments="'native', 1"), **PORTABLE) == "native 1 []\n"


def test_a_users_own_choice_of_kernels_stays_under_native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "avx2"})
    monkeypatch.delitem(sys.modules, "torch")
    settle_process("native", 3)
    assert os.environ == {"MKL_CBWR": "COMPATIBLE", "MKL_NUM_THREADS": "3", "OMP_NUM_THREADS": "3"}


@pytest.mark.parametrize(
    ("variables", "threads"),
    [({}, 4), ({"OMP_NUM_THREADS": "3"}, 3), ({"MKL_NUM_THREADS": "2,1", "OMP_NUM_THREADS": "3"}, 2),
     ({"OMP_NUM_THREADS": "9"}, 4), ({"OMP_NUM_THREADS": "0"}, 4)],
)  # fmt: skip
def test_threads_are_those_that_torch_would_take_where_nothing_is_said(
    variables: dict[str, str], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", dict(variables))
    monkeypatch.setattr(kernels, "_n_cores", lambda: 4)
    monkeypatch.delitem(sys.modules, "torch")
    settle_process()
    assert process_facts()["threads"] == threads
    assert {os.environ[name] for name in THREADS} == {str(threads)}
    settle_process(n_threads=8)  # more than cores, as a configuration may say
    assert process_facts()["threads"] == 8


@needs_avx2
@pytest.mark.slow
def test_torch_loaded_before_is_said_once_and_in_the_facts() -> None:
    code = """
import logging, torch
from rl4lms.core.kernels import process_facts, settle_process
logging.basicConfig(format="%(message)s")
for _ in range(2):
    settle_process("portable", 3)
print(process_facts(), torch.get_num_threads())
"""
    said = ask(code).splitlines()
    assert said[0].startswith("{'kernels': 'native', 'threads': 3, ") and said[0].endswith("} 3")
    assert len(said) == 2 and "torch is loaded already" in said[1] and "MKL_CBWR=AVX2,STRICT" in said[1]


def test_the_tests_themselves_are_portable() -> None:
    facts = process_facts()
    assert (facts["kernels"], facts["threads"]) == ("portable" if has_avx2() else "native", torch.get_num_threads())
    assert not has_avx2() or torch.backends.cpu.get_cpu_capability() == "AVX2"


@pytest.mark.parametrize(
    ("machine", "info", "portable", "name"),
    [
        ("x86_64", "model name : Xeon\ncpu family : 6\nmodel : 85\nflags : fma avx2 avx512f\n\nmodel name : b\n", True,
         "Xeon, family 6, model 85, AVX-512"),
        ("x86_64", "model name : Old\ncpu family : 6\nmodel : 42\nflags : avx sse\n", False,
         "Old, family 6, model 42, no AVX2"),
        ("aarch64", "processor : 0\nFeatures : fp asimd\n", False, "aarch64, no AVX2"),
        ("x86_64", None, False, "x86_64, no AVX2"),
    ],
)  # fmt: skip
def test_a_cpu_without_avx2_is_left_alone(
    machine: str, info: str | None, portable: bool, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if info is not None:
        (tmp_path / "cpuinfo").write_text(info)
    monkeypatch.setattr(kernels, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("platform.processor", lambda: "")
    for cached in (kernels.has_avx2, kernels._cpu_facts):
        cached.cache_clear()
    try:
        assert environment() == (PORTABLE if portable else {})
        monkeypatch.setattr(os, "environ", os.environ | PORTABLE)
        assert process_facts()["kernels"] == ("portable" if portable else "native")
        assert cpu_name() == name
    finally:
        for cached in (kernels.has_avx2, kernels._cpu_facts):
            cached.cache_clear()


def test_a_setting_that_comes_too_late_is_named_the_other_way_round(caplog: pytest.LogCaptureFixture) -> None:
    kernels._warn_late.cache_clear()
    with caplog.at_level(logging.WARNING):
        settle_process("native")
        settle_process("native")
    assert len(caplog.messages) == int(has_avx2())
    assert all("native was asked for" in message for message in caplog.messages)


@needs_avx2
@pytest.mark.skipif(not torch.__version__.startswith("2.13."), reason="recorded with torch 2.13; other kernels")
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_of_the_suite_gives_the_recorded_bytes(name: str) -> None:
    """On every x86-64 CPU with AVX2 of its maker. A name here is an operation that has left the common path."""
    maker = cpu_maker(cpu_name())
    if maker not in recorded():
        pytest.skip(f"nothing is recorded of {maker}")
    assert fingerprint(OPERATIONS[name]()) == recorded()[maker][name]


def test_every_fingerprint_is_of_an_operation() -> None:
    assert {maker: found.keys() for maker, found in recorded().items()} == dict.fromkeys(recorded(), OPERATIONS.keys())


def test_operations_without_a_product_exponential_or_root_are_of_no_maker() -> None:
    """What the code of Intel's and AMD's CPUs differs in, so that more of it is a finding."""
    amd, intel = recorded()["AMD"], recorded()["Intel"]
    differing = {name.split(" ")[0] for name in amd if amd[name] != intel[name]}
    assert differing == {"linear", "attention", "exp", "log", "square"}


def test_facts_are_json() -> None:
    assert json.loads(json.dumps(process_facts())) == process_facts()
