"""A run's work directory: resumed by the same run alone, published whole or not at all."""

from __future__ import annotations

import errno
import importlib.metadata
import logging
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
import torch

from rl4lms.core import work_directory as module
from rl4lms.core.errors import ConfigError, RunError, UserError
from rl4lms.core.kernels import process_facts
from rl4lms.core.seals import SEAL, seal
from rl4lms.core.work_directory import (
    DIGEST_FILE,
    input_digests,
    publish_directory,
    publish_run,
    work_directory,
    work_path,
)
from rl4lms.training.checkpoint import load_newest_checkpoint, save_checkpoint

CONFIG = {"seed": 1, "alg": {"lr": 1e-5}}


def start(work: Path, config: dict[str, object] = CONFIG, inputs: tuple[Path, ...] = ()) -> None:
    with work_directory(work, config, inputs) as path:
        (path / "checkpoints").mkdir(exist_ok=True)
        checkpoint = path / "checkpoints" / "00000001"
        checkpoint.mkdir(exist_ok=True)
        (checkpoint / "state.json").write_text('{"iteration": 1, "tensors_sha256": ""}')
        (checkpoint / "tensors.safetensors").write_text("weights")


def test_the_same_run_finds_its_progress(tmp_path: Path) -> None:
    work = tmp_path / "w"
    start(work)
    with work_directory(work, {"alg": {"lr": 1e-5}, "seed": 1}, ()) as path:
        assert (path / "checkpoints" / "00000001" / "tensors.safetensors").read_text() == "weights"
    assert list(tmp_path.iterdir()) == [work]


@pytest.mark.parametrize("change", ["config", "inputs", "code", "threads", "kernels", "packages"])
def test_another_runs_progress_is_set_aside(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    work, data = tmp_path / "w", tmp_path / "data"
    data.mkdir()
    (data / "train.jsonl").write_text("{}\n")
    start(work, inputs=(data,))
    config = {"seed": 2} if change == "config" else CONFIG
    if change == "inputs":
        (data / "train.jsonl").write_text("{} \n")
    if change == "code":
        monkeypatch.setattr(module, "code_digest", lambda: "another")
    if change == "packages":
        version = importlib.metadata.version
        monkeypatch.setattr(importlib.metadata, "version", lambda name: version(name) + "1" * (name == "tokenizers"))
    if change in ("threads", "kernels"):
        monkeypatch.setattr(module, "process_facts", lambda: process_facts() | {change: "another"})
    with caplog.at_level(logging.WARNING), work_directory(work, config, (data,)) as path:
        assert [p.name for p in path.iterdir()] == [DIGEST_FILE]
    assert (tmp_path / "w.stale-1" / "checkpoints" / "00000001" / "tensors.safetensors").read_text() == "weights"
    assert caplog.messages == [f"{work}: progress of another run (other {change}) set aside as w.stale-1."]


def test_what_was_set_aside_is_never_overwritten(tmp_path: Path) -> None:
    for seed in range(3):
        start(tmp_path / "w", {"seed": seed})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w", "w.stale-1", "w.stale-2"]


def test_a_directory_of_unknown_origin_is_set_aside(tmp_path: Path) -> None:
    work = tmp_path / "w"
    work.mkdir()
    (work / "notes.txt").write_text("mine")
    with work_directory(work, CONFIG, ()):
        pass
    assert (tmp_path / "w.stale-1" / "notes.txt").read_text() == "mine"


def test_two_processes_do_not_write_one_run(tmp_path: Path) -> None:
    work = tmp_path / "w"
    with (
        work_directory(work, CONFIG, ()),
        pytest.raises(RunError, match="another process is writing this run"),
        work_directory(work, CONFIG, ()),
    ):
        pass
    start(work)


def finished(tmp_path: Path) -> tuple[Path, Path]:
    out = tmp_path / "runs" / "seed0"
    work = work_path(out)
    assert work == tmp_path / "runs" / ".seed0.work"
    start(work)
    for name in ("config.json", "model/model.safetensors", "timing.jsonl", "epoch_4_val_split_predictions.json"):
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text(name)
    return work, out


def test_publishing_moves_a_finished_run_and_keeps_what_others_wrote(tmp_path: Path) -> None:
    work, out = finished(tmp_path)
    out.mkdir()
    (out / "metrics.json").write_text("of the evaluate stage")
    (out / "config.json").write_text("old")
    for name in ("epoch_9_val_split_predictions.json", "best_model/config.json", "model/edited.json"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("of an earlier, longer run")
    seal(out, ["epoch_9_val_split_predictions.json", "best_model/config.json", "model/edited.json"])
    (out / "model" / "edited.json").write_text("by somebody, since then")
    (out / "epoch_8_val_split_predictions.json").write_text("of somebody")
    publish_run(work, out, ["config.json", "model/model.safetensors"])
    assert not work.exists()
    files = {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file() and p.name != SEAL}
    assert files == {
        "config.json": "config.json",
        "model/model.safetensors": "model/model.safetensors",
        "timing.jsonl": "timing.jsonl",
        "epoch_4_val_split_predictions.json": "epoch_4_val_split_predictions.json",
        "metrics.json": "of the evaluate stage",
        "model/edited.json": "by somebody, since then",
        "epoch_8_val_split_predictions.json": "of somebody",
    }
    assert not (out / "best_model").exists()


def test_a_run_without_a_declared_file_publishes_nothing(tmp_path: Path) -> None:
    work, out = finished(tmp_path)
    with pytest.raises(RunError, match=r"ended without rollout_info\.jsonl; nothing is published"):
        publish_run(work, out, ["config.json", "rollout_info.jsonl"])
    assert not out.exists()
    assert (work / "checkpoints" / "00000001").exists()


def test_killed_while_publishing_it_publishes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, out = finished(tmp_path)
    replace, calls = os.replace, []

    def killed(a: Path, b: Path) -> None:
        calls.append(b)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(a, b)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        publish_run(work, out, ["config.json"])
    monkeypatch.undo()
    assert (work / "config.json").exists()
    publish_run(work, out, ["config.json"])
    assert (out / "model" / "model.safetensors").read_text() == "model/model.safetensors"
    assert not list(out.rglob("*~rl4lms"))


def test_killed_while_it_removes_its_work_directory_it_begins_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    work, out = finished(tmp_path)
    remove = shutil.rmtree

    def killed(path: Path, **kwargs: object) -> None:
        if (Path(path) / DIGEST_FILE).exists():
            (Path(path) / DIGEST_FILE).unlink()
            raise KeyboardInterrupt
        remove(path, **kwargs)

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        publish_run(work, out, ["config.json"])
    monkeypatch.undo()
    assert (out / "config.json").exists() and not work.exists()
    with work_directory(work, CONFIG, ()) as path:
        assert [p.name for p in path.iterdir()] == [DIGEST_FILE]
    assert caplog.messages == []
    assert sorted(p.name for p in work.parent.iterdir()) == [work.name, out.name]


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    work = tmp_path / "w"
    start(work)
    (work / "model").mkdir()
    for name in (".config.json.x8s_d2kq~rl4lms", "model/.model.safetensors.part~rl4lms", *MINE):
        (work / name).write_text("half")
    with work_directory(work, CONFIG, ()) as path:
        assert {p.name for p in path.rglob("*") if p.is_file()} == {
            DIGEST_FILE, "state.json", "tensors.safetensors", *map(os.path.basename, MINE)
        }  # fmt: skip


MINE = (".gitignore", "notes.jsonl", "model/.config.json.part", ".config.json.x8s_d2kq", "a~rl4lms")


def test_a_finished_run_of_another_name_is_left_alone(tmp_path: Path) -> None:
    for name in ("a.done", ".a.done", "a.part", "a"):
        start(tmp_path / name)
    start(tmp_path / "a")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.done", "a", "a.done", "a.part"]


def test_a_directory_of_the_users_with_the_runs_name_keeps_all_its_files(tmp_path: Path) -> None:
    for name in MINE:
        (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / name).write_text("mine")
    start(tmp_path / "a")
    kept = tmp_path / "a.stale-1"
    assert sorted(str(p.relative_to(kept)) for p in kept.rglob("*") if p.is_file()) == sorted(MINE)


def test_somebodys_copy_of_a_checkpoint_is_not_thrown_away_with_ours(tmp_path: Path) -> None:
    work, out = finished(tmp_path)
    kept = ["00000001.bak/state.json", "20240101/state.json", "20240102/notes.txt", "7/notes.txt", "best/notes.txt"]
    for name in kept:
        (work / "checkpoints" / name).parent.mkdir()
        (work / "checkpoints" / name).write_text('{"iteration": 1, "tensors_sha256": ""}')
    (work / "checkpoints" / "20240101" / "tensors.safetensors").write_text("weights")
    publish_run(work, out, ["config.json"])
    found = sorted(str(p.relative_to(out / "checkpoints")) for p in (out / "checkpoints").rglob("*") if p.is_file())
    assert found == sorted([*kept, "20240101/tensors.safetensors"])
    assert not (out / "checkpoints" / "00000001").exists() and not work.exists()


def test_a_directory_is_published_whole_and_a_dead_ones_scratch_removed(tmp_path: Path) -> None:
    dead, other_ones = tmp_path / ".data.new.abc~rl4lms", tmp_path / ".data.new.abc"
    for directory in (dead, other_ones):
        directory.mkdir()
        (directory / "half.jsonl").write_text("{")
    with publish_directory(tmp_path / "data") as scratch:
        (scratch / "train.jsonl").write_text("{}")
        assert not dead.exists() and not (tmp_path / "data").exists()
        with publish_directory(tmp_path / "data") as other:  # of another process: it is left alone
            (other / "test.jsonl").write_text("{}")
        assert scratch.exists()
    names = {p.name for p in (tmp_path / "data").iterdir()}
    assert names == {"train.jsonl", "test.jsonl", SEAL}
    assert sorted(p.name for p in tmp_path.iterdir()) == [other_ones.name, "data"]


def test_inputs_are_hashed_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    for facts in (
        "manifest.json",
        "timing.jsonl",
    ):  # of the run that made the directory: they differ between equal ones
        (tmp_path / "d" / facts).write_text("when and where")
    digests = input_digests([tmp_path / "d", tmp_path / "b", tmp_path / "absent"])
    assert list(digests) == [str(tmp_path / "d" / "a"), str(tmp_path / "b")]
    assert digests[str(tmp_path / "b")].startswith("3e23e8160039594a33894f6564e1b134")


def fails(work: Path, written: list[str], error: UserError) -> None:
    with work_directory(work, CONFIG, ()):
        for name in written:
            (work / name).write_text("{}")
        raise error


@pytest.mark.parametrize("written", [[], ["log.txt"]])
def test_refused_input_leaves_no_directory(tmp_path: Path, written: list[str]) -> None:
    with pytest.raises(ConfigError):
        fails(tmp_path / "project" / "experiment", written, ConfigError("too long"))
    assert not any(tmp_path.iterdir())


def test_a_run_that_had_begun_is_kept(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        fails(tmp_path / "project" / "first", ["rollout_info.jsonl"], RunError("not finite"))
    with pytest.raises(ConfigError):
        fails(tmp_path / "project" / "second", [], ConfigError("too long"))
    assert (tmp_path / "project" / "first" / "rollout_info.jsonl").is_file()
    assert [p.name for p in (tmp_path / "project").iterdir()] == ["first"]


@pytest.fixture
def other_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory on another file system: nothing is renamed or linked across its border."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def same(call: Any) -> Any:
        def checked(a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
            if Path(a).parent.resolve().is_relative_to(disk) != Path(b).parent.resolve().is_relative_to(disk):
                raise OSError(errno.EXDEV, "Invalid cross-device link", str(a), None, str(b))
            return call(a, b, *args, **kwargs)

        return checked

    for name in ("replace", "rename", "link"):
        monkeypatch.setattr(os, name, same(getattr(os, name)))
    return disk


@pytest.mark.parametrize("there", [True, False], ids=["there", "not there yet"])
def test_a_target_that_is_a_link_to_another_disk_is_filled(other_disk: Path, tmp_path: Path, there: bool) -> None:
    for name in ("data", "runs", "work"):
        (tmp_path / name).mkdir(exist_ok=True)
        if there:
            (other_disk / name).mkdir()
    (tmp_path / "data" / "imdb").symlink_to(other_disk / "data")
    with publish_directory(tmp_path / "data" / "imdb") as scratch:
        (scratch / "plots").mkdir()
        (scratch / "plots" / "a.png").write_text("made")
    assert (other_disk / "data" / "plots" / "a.png").read_text() == "made"
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["imdb"]
    out = tmp_path / "runs" / "seed0"
    out.symlink_to(other_disk / "runs")
    work_path(out).symlink_to(other_disk / "work")
    finished(tmp_path)
    publish_run(work_path(out), out, ["config.json"])
    assert (other_disk / "runs" / "model" / "model.safetensors").is_file()
    assert not (other_disk / "work").exists() and not list(tmp_path.rglob("*~rl4lms"))


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_files_and_directories_have_the_modes_that_the_umask_gives(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with publish_directory(tmp_path / "data") as scratch:
            (scratch / "plots").mkdir(mode=0o700)
            (scratch / "plots" / "a.png").touch(mode=0o600)
        save_checkpoint(tmp_path / "checkpoints", 1, {"w": torch.ones(1)}, {}, is_best=True)
        start(tmp_path / "work")
    finally:
        os.umask(before)
    for path in tmp_path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o777 if path.is_dir() else 0o666) & ~mask, path


def test_checkpoints_of_others_stay_and_links_to_ours_are_not_followed(tmp_path: Path) -> None:
    directory, disk = tmp_path / "checkpoints", tmp_path / "disk"
    kept = ("00000001.bak", "1", "best of all", "20240101_backup")
    for name in kept:
        (directory / name).mkdir(parents=True)
        (directory / name / "state.json").write_text("mine")
    for iteration in (1, 2, 2, 3, 4):  # an iteration may be saved again
        save_checkpoint(directory, iteration, {"w": torch.ones(1)}, {"digest": "d"})
        if iteration == 2 and not disk.exists():
            (directory / "00000002").rename(disk)
            (directory / "00000002").symlink_to(disk)
    assert sorted(p.name for p in directory.iterdir()) == sorted([*kept, "00000003", "00000004"])
    assert sorted(p.name for p in disk.iterdir()) == ["state.json", "tensors.safetensors"]
    assert load_newest_checkpoint(directory, "d")[1]["iteration"] == 4


def test_a_directory_of_digits_is_no_checkpoint_and_one_of_our_name_is_set_aside(tmp_path: Path) -> None:
    for name in ("20240101", "00000004", "best", "0000000000012"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").write_text(name)
    for iteration in (1, 2, 3, 4):
        save_checkpoint(tmp_path, iteration, {"w": torch.ones(1)}, {"digest": "d"}, is_best=iteration == 4)
        if iteration == 1:
            shutil.copytree(tmp_path / "00000001", tmp_path / "20240102")
    kept = ["0000000000012", "00000004.stale-1", "20240101", "20240102", "best.stale-1"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*kept, "00000003", "00000004", "best"])
    assert (tmp_path / "00000004.stale-1" / "notes.txt").read_text() == "00000004"
    found = load_newest_checkpoint(tmp_path, "d")
    assert found is not None and found[1]["iteration"] == 4
