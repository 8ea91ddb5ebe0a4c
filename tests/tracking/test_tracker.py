"""The files that a run writes: equal bytes for equal runs, exact resume, nothing that is not finite."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl4lms.core import progress
from rl4lms.core.errors import RunError
from rl4lms.tracking.tracker import N_SHOWN, SilentTracker, Tracker


@pytest.fixture(autouse=True)
def nothing_is_shown_afterwards() -> Iterator[None]:
    progress.begin("")
    yield
    progress.begin("")


def iterate(tracker: Tracker, start: int, stop: int) -> None:
    for i in range(start, stop):
        tracker.log_rollout(i, {"rollout/reward": i / 3, "rollout/kl": np.float32(0.1)})
        tracker.log_training(i, {"train/loss": -i / 7, "train/n_updates": i})
        tracker.log_split_metrics("val", i, {"lexical/meteor": np.float64(0.25), "n": 4})
        tracker.log_predictions("val", i, [{"sample_id": "val_0", "generated_text": "Größe", "lexical/meteor": 0.5}])


def files(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(directory.iterdir())}


def test_lines_have_the_published_form(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path)
    iterate(tracker, 0, 2)
    tracker.log_timing(0, {"time/cpu_s": 1.5})
    lines = {p.name: [json.loads(line) for line in p.read_text().splitlines()] for p in tmp_path.glob("*.jsonl")}
    assert lines["rollout_info.jsonl"][1] == {
        "iteration": 1,
        "rollout/kl": float(np.float32(0.1)),
        "rollout/reward": 1 / 3,
    }
    assert lines["val_split_metrics.jsonl"][0] == {"epoch": 0, "metrics": {"lexical/meteor": 0.25, "n": 4}}
    assert lines["timing.jsonl"] == [{"iteration": 0, "time/cpu_s": 1.5}]
    predictions = json.loads((tmp_path / "epoch_1_val_split_predictions.json").read_text())
    assert predictions == [{"sample_id": "val_0", "generated_text": "Größe", "lexical/meteor": 0.5}]


def test_bytes_do_not_depend_on_the_order_of_keys_or_on_quiet(tmp_path: Path) -> None:
    one, other = Tracker(tmp_path / "a"), Tracker(tmp_path / "b", quiet=True)
    one.log_rollout(0, {"a": 1.0, "b": 2})
    other.log_rollout(0, {"b": 2, "a": 1.0})
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a")["rollout_info.jsonl"] == b'{"iteration": 0, "a": 1.0, "b": 2}\n'


def test_a_resumed_run_continues_byte_for_byte(tmp_path: Path) -> None:
    straight, broken = Tracker(tmp_path / "a"), Tracker(tmp_path / "b")
    iterate(straight, 0, 4)
    iterate(broken, 0, 2)
    state = json.loads(json.dumps(broken.state_dict()))
    iterate(broken, 2, 3)
    broken.log_timing(2, {"time/s": 1.0})  # a file that the checkpoint does not know
    with open(tmp_path / "b" / "rollout_info.jsonl", "a") as f:
        f.write('{"iteration": 3, "rollo')  # killed in the middle of a line
    resumed = Tracker(tmp_path / "b")
    resumed.load_state_dict(state)
    iterate(resumed, 2, 4)
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize(
    "found", ["", "another beginning, long enough to hold what the checkpoint knows of this file\n"]
)
def test_a_file_that_is_not_what_the_checkpoint_knows_is_refused(tmp_path: Path, found: str) -> None:
    tracker = Tracker(tmp_path)
    iterate(tracker, 0, 1)
    state = tracker.state_dict()
    (tmp_path / "rollout_info.jsonl").write_text(found)
    before = files(tmp_path)
    with pytest.raises(
        RunError,
        match=r"rollout_info\.jsonl: not the \d+ bytes that the checkpoint knows; delete .* to start this run over\.$",
    ):
        Tracker(tmp_path).load_state_dict(state)
    assert files(tmp_path) == before


def test_files_of_others_are_neither_cut_nor_removed_nor_watched(tmp_path: Path) -> None:
    mine = ("notes.jsonl", "my_split_metrics.jsonl", "epoch_1_val_split_predictions.json.bak", "epoch_best.json")
    for name in mine:
        (tmp_path / name).write_text("mine\n")
    tracker = Tracker(tmp_path)
    iterate(tracker, 0, 2)
    state = tracker.state_dict()
    assert state.keys().isdisjoint(mine)
    (tmp_path / "notes.jsonl").write_text("shorter")
    for each in (state, {}):
        Tracker(tmp_path).load_state_dict(each)
    assert sorted(files(tmp_path)) == sorted(mine)


def test_predictions_after_the_checkpoint_are_removed_and_edited_ones_refused(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path)
    iterate(tracker, 0, 1)
    state = json.loads(json.dumps(tracker.state_dict()))
    iterate(tracker, 1, 2)
    resumed = Tracker(tmp_path)
    resumed.load_state_dict(state)
    assert [p.name for p in tmp_path.glob("epoch_*")] == ["epoch_0_val_split_predictions.json"]
    assert resumed.state_dict() == state
    path = tmp_path / "epoch_0_val_split_predictions.json"
    for text in (path.read_text() + " ", path.read_text().replace("0.5", "0.9")):
        path.write_text(text)
        with pytest.raises(RunError, match="not the .* bytes that the checkpoint knows"):
            Tracker(tmp_path).load_state_dict(state)


def test_a_second_writer_is_noticed(tmp_path: Path) -> None:
    """As where a file system has no locks and two hosts were given one run."""
    one, other = Tracker(tmp_path), Tracker(tmp_path)
    iterate(one, 0, 1)
    other.log_rollout(1, {"a": 1.0})
    with pytest.raises(RunError, match=r"rollout_info\.jsonl: \d+ bytes where this run has written .*another process"):
        one.state_dict()
    with pytest.raises(RunError, match="another process writes it, too"):
        one.log_rollout(1, {"a": 1.0})


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), np.float32("nan")])
def test_a_number_that_is_not_finite_stops_the_run(tmp_path: Path, bad: Any) -> None:
    tracker = Tracker(tmp_path)
    with pytest.raises(RunError, match=r"^training_info\.jsonl: train/loss is nan|inf, expected a finite number"):
        tracker.log_training(3, {"train/loss": bad})
    with pytest.raises(RunError, match=r"val_split_metrics\.jsonl: metrics: lexical/bleu is"):
        tracker.log_split_metrics("val", 0, {"lexical/bleu": bad})
    with pytest.raises(RunError, match=r"epoch_0_val_split_predictions\.json: row 1: score is"):
        tracker.log_predictions("val", 0, [{"score": 1.0}, {"score": bad}])
    assert files(tmp_path) == {}


def test_numbers_are_written_so_that_they_read_back_equal(tmp_path: Path) -> None:
    numbers = {f"k{i}": float(x) for i, x in enumerate(np.random.default_rng(0).standard_normal(200) * 1e-7)}
    Tracker(tmp_path).log_rollout(0, numbers)
    assert json.loads((tmp_path / "rollout_info.jsonl").read_text()) == {"iteration": 0, **numbers}


def test_tensors_of_one_number_are_taken(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    Tracker(tmp_path).log_rollout(0, {"a": torch.tensor(0.5), "n": torch.tensor(3)})
    assert (tmp_path / "rollout_info.jsonl").read_text() == '{"iteration": 0, "a": 0.5, "n": 3}\n'


def test_quiet_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="rl4lms"):  # a stage that another test ran may have set it
        iterate(Tracker(tmp_path / "a", quiet=True), 0, 1)
        assert caplog.messages == []
        Tracker(tmp_path / "b").log_training(0, {"train/loss": 0.123456789})
    assert caplog.messages == ["training_info: iteration 0, train/loss 0.1235"]


def evaluate(tracker: Tracker, epoch: int, split: str = "val", reward: float = 0.5) -> None:
    rows = [{"sample_id": f"{i}", "prompt_text": f"p{i}", "generated_text": f"{i} of {epoch}"} for i in range(5)]
    tracker.log_predictions(split, epoch, rows)
    tracker.log_split_metrics(split, epoch, {"reward": reward, "n": 5, "diversity_metrics/vocab": 0.1})


def test_an_evaluation_is_said_with_its_change_since_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="rl4lms"):
        evaluate(Tracker(tmp_path), 0)
        resumed = Tracker(tmp_path)
        evaluate(resumed, 2, reward=0.75)
        evaluate(resumed, 2, split="test", reward=0.125)
    assert caplog.messages == [
        "val_split_metrics: epoch 0, n 5, reward 0.5",
        "val_split_metrics: epoch 2, n 5, reward 0.75 (+0.25)",
        "test_split_metrics: epoch 2, n 5, reward 0.125",
    ]
    assert progress.state().scores == {
        "val": {"reward": (0.75, 0.25), "n": (5, 0)},
        "test": {"reward": (0.125, None), "n": (5, None)},
    }


def test_the_first_samples_of_val_are_shown_with_their_texts_before_training(tmp_path: Path) -> None:
    def shown() -> list[tuple[str, str | None, str]]:
        return [(sample.prompt, sample.before, sample.now) for sample in progress.state().samples]

    tracker = Tracker(tmp_path)
    evaluate(tracker, 0)
    assert shown() == [(f"p{i}", None, f"{i} of 0") for i in range(N_SHOWN)]
    evaluate(tracker, 1)
    evaluate(tracker, 1, split="test")
    expected = [(f"p{i}", f"{i} of 0", f"{i} of 1") for i in range(N_SHOWN)]
    assert shown() == expected
    evaluate(SilentTracker(tmp_path / "silent"), 2)
    assert shown() == expected and not list((tmp_path / "silent").iterdir())
    state = tracker.state_dict()
    resumed = Tracker(tmp_path)
    resumed.load_state_dict(state)
    evaluate(resumed, 2)
    assert shown() == [(f"p{i}", f"{i} of 0", f"{i} of 2") for i in range(N_SHOWN)]
    evaluate(Tracker(tmp_path / "without the first"), 2)
    assert shown() == [(f"p{i}", None, f"{i} of 2") for i in range(N_SHOWN)]
