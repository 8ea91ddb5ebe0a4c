"""Files that have decayed are noticed; files that somebody has put there are theirs to answer for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rl4lms.core.errors import DataError
from rl4lms.core.seals import SEAL, check_seals, seal


@pytest.fixture
def published(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    for name in ("config.json", "model/model.safetensors"):
        (tmp_path / name).write_text("as written")
    seal(tmp_path, ["config.json", "model/model.safetensors"])
    return tmp_path


def decay(path: Path) -> None:
    times = path.stat()
    path.write_text("as writteN")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("name", ["config.json", "model/model.safetensors"])
def test_a_decayed_file_is_named_with_the_way_out(published: Path, name: str) -> None:
    check_seals([published, published / "model", published / name])
    decay(published / name)
    for path in (published, published / name, (published / name).parent):
        with pytest.raises(DataError, match=f"{published / name}: damaged.* Delete it and run .*{published / SEAL}"):
            check_seals([path])
    (published / SEAL).unlink()
    check_seals([published])


def test_a_file_of_another_time_is_somebodys_own(published: Path) -> None:
    (published / "config.json").write_text("edited, or checked out")
    os.utime(published / "config.json", ns=(1, 1))
    (published / "model/model.safetensors").unlink()
    (published / "notes.txt").write_text("unknown to the seal")
    check_seals([published])


@pytest.mark.parametrize("text", ["[]", '{"config.json": 3}', "no json"])
def test_a_damaged_seal_is_an_error(published: Path, text: str) -> None:
    (published / SEAL).write_text(text)
    with pytest.raises(DataError, match=SEAL):
        check_seals([published])
