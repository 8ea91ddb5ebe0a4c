"""Files cut short, with a bit flipped or replaced: each is noticed, told in one line, and harms nothing else."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.faults import suite
from tests.faults.suite import AGGREGATE, BASE, BASE_MODEL, DATA, REWARD, REWARD_MODEL, RUNS, SCORES, SUPERVISED

pytestmark = pytest.mark.long

MODEL = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
CHECKPOINT = f"{RUNS}/.other.work/checkpoints"
HOW = ("cut", "empty", "flipped", "foreign text", "foreign json", "foreign bytes")

# file -> the stage that reads it
READ_BY: dict[str, list[str]] = {
    f"{DATA}/train.jsonl": REWARD_MODEL,
    f"{DATA}/validation.jsonl": BASE_MODEL,
    f"{DATA}/test.jsonl": suite.evaluate(),
    **{f"{BASE}/{name}": suite.train() for name in MODEL},
    f"{BASE}/metrics.json": suite.evaluate(),
    **{f"{REWARD}/{name}": suite.evaluate() for name in MODEL},
    f"{BASE}/generation_config.json": SUPERVISED,
    f"{RUNS}/ppo/seed0/model/model.safetensors": suite.evaluate(),
    f"{RUNS}/ppo/seed0/val_split_metrics.jsonl": suite.evaluate(),
    f"{RUNS}/ppo/seed0/rollout_info.jsonl": AGGREGATE,
    f"{RUNS}/ppo/seed0/config.json": AGGREGATE,
    f"{SCORES}/ppo/seed0/metrics.json": AGGREGATE,
    f"{SCORES}/ppo/seed0/test_split_metrics.jsonl": AGGREGATE,
    f"{SCORES}/ppo/seed0/test_predictions.json": AGGREGATE,
}
CASES = [(file, stage, how) for file, stage in READ_BY.items() for how in HOW]
PARAMS = ("grue.yaml", "tasks/imdb.yaml", "algs/ppo.yaml", "suites/tiny/grue.yaml", "suites/tiny/tasks/imdb.yaml")


def damage(path: Path, how: str, draw: random.Random, *, decayed: bool) -> None:
    """Change a file. decayed: its time stays, as where a disk lies; else as where somebody wrote it."""
    before, body = path.stat(), path.read_bytes()
    if how == "cut":
        body = body[: draw.randrange(1, len(body))]
    elif how == "flipped":
        place = draw.randrange(len(body))
        body = body[:place] + bytes([body[place] ^ (1 << draw.randrange(8))]) + body[place + 1 :]
    else:
        foreign = {"empty": b"", "foreign text": b"not: what [you expect", "foreign json": b"[1, 2]\n"}
        body = foreign.get(how, bytes(draw.randrange(256) for _ in range(300)))
    path.unlink()  # it may be a link to another name's bytes
    path.write_bytes(body)
    if decayed:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return suite.make(tmp_path_factory.mktemp("suite"))


@pytest.fixture
def directory(finished: Path, tmp_path: Path) -> Path:
    return suite.copy(finished, tmp_path / "copy")


@pytest.mark.parametrize(("file", "stage", "how"), CASES, ids=[f"{file}-{how}" for file, _, how in CASES])
def test_a_decayed_result_is_one_error_and_nothing_else_changes(
    directory: Path, capsys: Any, file: str, stage: list[str], how: str
) -> None:
    path = directory / file
    damage(path, how, random.Random(f"{file} {how}"), decayed=True)
    before = suite.digests(directory)
    assert suite.run(directory, stage) != 0
    error = suite.one_error(capsys.readouterr())
    assert file in error and "Delete it and run that stage again" in error
    assert suite.digests(directory) == before


WRITTEN = [case for case in CASES if case[2] not in ("flipped", "cut")]


@pytest.mark.parametrize(("file", "stage", "how"), WRITTEN, ids=[f"{file}-{how}" for file, _, how in WRITTEN])
def test_a_file_that_somebody_put_there_is_refused_by_what_it_says(
    directory: Path, capsys: Any, file: str, stage: list[str], how: str
) -> None:
    """No digest speaks of it, so its reader must find out."""
    path = directory / file
    damage(path, how, random.Random(f"{file} {how}"), decayed=False)
    before = suite.digests(directory)
    code = suite.run(directory, stage)
    said = capsys.readouterr()
    if code == 0:  # what the file says is not needed by this stage
        assert Path(file).name in ("tokenizer_config.json", "generation_config.json", "config.json")
        return
    error = suite.one_error(said)
    assert str(Path(file).parent) in error
    assert suite.digests(directory) == before


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("file", PARAMS)
def test_damaged_params_are_one_error_or_another_configuration(
    directory: Path, capsys: Any, file: str, how: str
) -> None:
    """A flipped bit may leave a file that says something else, and says it well: that is the user's to see."""
    damage(directory / "params" / file, how, random.Random(f"{file} {how}"), decayed=False)
    before = suite.digests(directory)
    if suite.run(directory, suite.train(out=f"{RUNS}/other")) != 0:
        assert "params" in suite.one_error(capsys.readouterr())
        assert suite.digests(directory) == before
    else:
        assert how in ("cut", "flipped", "empty")
        assert {k: v for k, v in suite.digests(directory).items() if "/other/" not in k} == before


@pytest.fixture(scope="module")
def preempted(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that SIGTERM ended after its second iteration of three."""
    from rl4lms.training.on_policy import IterationCallback

    directory = suite.copy(finished, tmp_path_factory.mktemp("preempted") / "copy")
    original = IterationCallback._after_update

    def told(self: Any) -> None:
        if self.trainer.algorithm.iteration == 2:
            signal.raise_signal(signal.SIGTERM)
        original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IterationCallback, "_after_update", told)
        with pytest.raises(SystemExit) as left:
            suite.run(directory, suite.train(out=f"{RUNS}/other"))
    assert left.value.code == 143
    assert sorted(p.name for p in (directory / CHECKPOINT).iterdir()) == ["00000001", "00000002"]
    return directory


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize("all_of_them", [False, True], ids=["newest", "all"])
def test_a_damaged_checkpoint_is_passed_over_and_all_damaged_is_an_error(
    preempted: Path, tmp_path: Path, capsys: Any, caplog: Any, file: str, how: str, all_of_them: bool
) -> None:
    directory = suite.copy(preempted, tmp_path / "copy")
    before = suite.digests(directory)
    found = sorted((directory / CHECKPOINT).iterdir())
    for checkpoint in found if all_of_them else found[-1:]:
        damage(checkpoint / file, how, random.Random(f"{file} {how}"), decayed=True)
    code = suite.run(directory, suite.train(out=f"{RUNS}/other"))
    assert [r.message for r in caplog.records].count("resumed after iteration 1 of 3") == (not all_of_them)
    after = suite.digests(directory)
    if all_of_them:
        assert code == 1
        error = suite.one_error(capsys.readouterr())
        assert "no usable checkpoint" in error and "Delete" in error
        assert after == before
    else:
        assert code == 0
        assert sum("trying the one before it" in r.message for r in caplog.records) == 1
        made = {k.replace("/other/", "/ppo/seed0/"): v for k, v in after.items() if "/other/" in k}
        assert made and all(before[name] == digest for name, digest in made.items())


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("file", ["rollout_info.jsonl", "val_split_metrics.jsonl", ".run.json"])
def test_damaged_progress_is_one_error_or_set_aside(
    preempted: Path, tmp_path: Path, capsys: Any, caplog: Any, file: str, how: str
) -> None:
    directory = suite.copy(preempted, tmp_path / "copy")
    before = suite.digests(directory)
    damage(directory / RUNS / ".other.work" / file, how, random.Random(f"{file} {how}"), decayed=True)
    code = suite.run(directory, suite.train(out=f"{RUNS}/other"))
    if code:
        error = suite.one_error(capsys.readouterr())
        assert ".other.work" in error and "elete" in error
        assert suite.digests(directory) == before
    else:
        assert file == ".run.json" and any("set aside" in r.message for r in caplog.records)
