"""The loop of the small models: killed anywhere it goes on to the same weights; signals save."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rl4lms.core.errors import RunError
from rl4lms.training import fitting
from rl4lms.training.checkpoint import load_newest_checkpoint, save_checkpoint
from rl4lms.training.fitting import FitCheckpoints, Optimisation, fit
from rl4lms.training.preemption import Preemption
from tests.conftest import VOCAB, tiny_config

SETTINGS = Optimisation(n_steps=20, learning_rate=1e-3, warmup_steps=3, weight_decay=0.01)


def model() -> Any:
    """With dropout, so that torch's generator counts."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(tiny_config("gpt2"))


def batches() -> Iterator[dict[str, torch.Tensor]]:
    for step in itertools.count():
        ids = torch.randint(4, VOCAB, (2, 6), generator=torch.Generator().manual_seed(step))
        yield {"input_ids": ids, "labels": ids}


def fitted(checkpoints: FitCheckpoints | None) -> tuple[list[float], dict[str, torch.Tensor]]:
    trained = model()
    losses = fit(trained, batches(), SETTINGS, checkpoints)
    return losses, trained.state_dict()


def assert_equal(a: Any, b: Any) -> None:
    assert a[0] == b[0]
    assert all(torch.equal(a[1][name], b[1][name]) for name in b[1])


class Cut(Exception):
    pass


@pytest.mark.parametrize("step", [1, 2, 9, 19])
def test_a_loop_that_dies_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: Any, step: int) -> None:
    checkpoints, one_step = FitCheckpoints(tmp_path / "checkpoints", "d"), fitting._step

    def dies(state: Any, batch: Any) -> None:
        if len(state.losses) == step:
            raise Cut
        one_step(state, batch)

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "_step", dies)
        with pytest.raises(Cut):
            fitted(checkpoints)
    torch.rand(5)
    assert_equal(fitted(checkpoints), fitted(None))
    assert_equal(fitted(checkpoints), fitted(None))  # from its last checkpoint there is no step left
    assert [p.name for p in sorted((tmp_path / "checkpoints").iterdir())] == ["00000018", "00000020"]


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 100_000, '{"a": NaN}', "1" * 5_000, "\xff", "[1]"])
def test_a_damaged_state_is_passed_over_for_the_one_before_it(tmp_path: Path, text: str) -> None:
    for iteration in (1, 2):
        save_checkpoint(tmp_path, iteration, {"w": torch.ones(1)}, {"digest": "d", "iteration": iteration})
    state = tmp_path / "00000002" / "state.json"
    state.write_text(text, encoding="latin-1")
    found = load_newest_checkpoint(tmp_path, "d")
    assert found is not None and found[1]["iteration"] == 1
    (tmp_path / "00000001" / "state.json").write_text(text, encoding="latin-1")
    with pytest.raises(RunError, match="no usable checkpoint"):
        load_newest_checkpoint(tmp_path, "d")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, None)])
def test_a_signal_saves_and_leaves_with_its_code(
    tmp_path: Path, monkeypatch: Any, sent: signal.Signals, code: int | None
) -> None:
    """Ctrl-C is Python's own exception, of which every command makes 130."""
    checkpoints, one_step = FitCheckpoints(tmp_path / "checkpoints", "d"), fitting._step

    def told(state: Any, batch: Any) -> None:
        one_step(state, batch)
        if len(state.losses) == 7:
            signal.raise_signal(sent)

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "_step", told)
        with pytest.raises(KeyboardInterrupt if code is None else SystemExit) as left:
            fitted(checkpoints)
    assert code is None or left.value.code == code
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir())[-1] == "00000007"
    assert_equal(fitted(checkpoints), fitted(None))


def test_a_second_ctrl_c_is_obeyed_at_once(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    checkpoints, one_step, reached = FitCheckpoints(tmp_path / "checkpoints", "d"), fitting._step, []

    def told(state: Any, batch: Any) -> None:
        one_step(state, batch)
        if len(state.losses) == 7:
            signal.raise_signal(signal.SIGINT)
            reached.append(1)
            signal.raise_signal(signal.SIGINT)
            reached.append(2)

    monkeypatch.setattr(fitting, "_step", told)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fitted(checkpoints)
    assert reached == [1] and signal.getsignal(signal.SIGINT) is before
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir())[-1] == "00000006"
    assert capsys.readouterr().err == "Ctrl-C: saving after this update; once more ends it at once.\n"


def test_where_nothing_is_saved_a_signal_is_obeyed_at_once(monkeypatch: Any) -> None:
    monkeypatch.setattr(fitting, "_step", lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        fitted(None)


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch: Any) -> None:
    """nohup starts a process so."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Preemption() as preemption:
            signal.raise_signal(signal.SIGHUP)
        assert not preemption.requested and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_progress_of_other_settings_is_refused(tmp_path: Path) -> None:
    fitted(FitCheckpoints(tmp_path / "checkpoints", "d"))
    with pytest.raises(RunError, match=f"no usable checkpoint .* Delete {tmp_path} to start this run over"):
        fitted(FitCheckpoints(tmp_path / "checkpoints", "another"))
