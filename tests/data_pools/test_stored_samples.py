from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import DataError, RunError
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool

META: list[Any] = [None, {}, {"concepts": ["a", "b"]}, {"n": {1: (2.5, True, None)}, "text": "ä\ud800\n\0"}]
SAMPLES = [Sample(f"val_{i}", f"prompt {i} ü😀", ["r"] * (i % 3), META[i % 4]) for i in range(1000)]


def test_samples_come_back_as_they_were() -> None:
    kept = stored(iter(SAMPLES))
    assert len(kept) == 1000
    assert list(kept) == SAMPLES
    assert [kept[i] for i in (0, 999, -1, 500)] == [SAMPLES[i] for i in (0, 999, -1, 500)]
    for ix in (1000, -1001):
        with pytest.raises(IndexError):
            kept[ix]


def test_slices_share_the_file_and_outlive_what_they_were_cut_from() -> None:
    kept = stored(SAMPLES)
    part = kept[100:900:7][10:20]
    assert part._file is kept._file
    del kept
    assert list(part) == SAMPLES[100:900:7][10:20]


def test_a_pool_of_them_is_a_pool() -> None:
    pool, listed = TextGenPool(stored(SAMPLES)), TextGenPool(SAMPLES)
    assert list(pool) == list(listed)
    assert [pool.sample() for _ in range(20)] == [listed.sample() for _ in range(20)]
    halves, expected = pool.split([0.5, 0.25]), listed.split([0.5, 0.25])
    assert [list(half) for half in halves] == [list(half) for half in expected]
    assert pool.weights().tolist() == [1.0] * 1000
    with pytest.raises(IndexError, match="no samples"):
        TextGenPool(stored([])).sample()


def test_a_changed_sample_is_the_callers_own() -> None:
    pool = TextGenPool(stored(SAMPLES))
    pool[2][0].references.append("more")
    assert pool[2][0] == SAMPLES[2]


def test_no_file_is_left_in_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = stored(SAMPLES)
    assert list(tmp_path.iterdir()) == [] and kept[3] == SAMPLES[3]


def test_what_is_not_plain_is_refused() -> None:
    with pytest.raises(DataError, match="sample x: its id, prompt, references or meta_data hold more than plain") as e:
        stored([Sample("x", "p", [], {"path": Path(".")})])
    assert "\n" not in str(e.value)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc: a pool is not sent to other processes here")
def test_another_process_opens_the_same_file() -> None:
    kept = stored(SAMPLES)[10:]
    sent = pickle.dumps(kept)
    assert len(sent) < 300
    code = "import pickle, sys; kept = pickle.load(sys.stdin.buffer); print(len(kept), kept[5].id)"
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, cwd=root, check=True)
    assert run.stdout == b"990 val_15\n"


def test_a_file_that_is_gone_is_one_line() -> None:
    kept = stored(SAMPLES)
    place = f"/proc/{os.getpid()}/fd/{kept._file.fileno()}"
    sent = pickle.dumps(kept).replace(place.encode(), place.replace("fd", "fx").encode())
    with pytest.raises(RunError, match="cannot be opened here .No such file or directory.; send the samples") as e:
        pickle.loads(sent)
    assert "\n" not in str(e.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full: a disk without room cannot be had here")
def test_no_room_and_no_directory_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(RunError, match=r"cannot be written \(No such file or directory\); set TMPDIR to"):
        stored(SAMPLES)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: open("/dev/full", "w+b"))  # noqa: SIM115
    for samples in (SAMPLES, SAMPLES * 100):  # what is written at the end, and in between
        with pytest.raises(RunError, match=r"cannot be written \(No space left on device\)"):
            stored(samples)


def test_a_fault_of_the_samples_is_passed_on_and_the_file_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def samples() -> Iterator[Sample]:
        yield SAMPLES[0]
        raise DataError("row 2: broken")

    files: list[Any] = []
    make = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **kwargs: files.append(make(**kwargs)) or files[-1])
    with pytest.raises(DataError, match="row 2: broken"):
        stored(samples())
    assert [file.closed for file in files] == [True]
