"""Logging elsewhere changes nothing here."""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rl4lms.core.errors import ConfigError
from rl4lms.tracking.backends import open_backend, untouched_generators
from rl4lms.tracking.tracker import Tracker


class Noisy:
    """A backend that draws from every global generator, as wandb does for its names."""

    def __init__(self) -> None:
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.closed = False

    def draw(self) -> None:
        random.random()
        np.random.rand()
        torch.rand(1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.draw()
        self.logged.append((step, dict(values)))

    def close(self) -> None:
        self.draw()
        self.closed = True


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(1))


def seed() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def test_a_backend_leaves_the_global_generators_alone(tmp_path: Path) -> None:
    seed()
    expected = draws()
    seed()
    noisy = Noisy()
    tracker = Tracker(tmp_path, backends=[noisy])
    tracker.log_rollout(0, {"rollout/reward": 1.0})
    tracker.log_training(0, {"train/loss": 2.0})
    tracker.log_split_metrics("val", 0, {"lexical/meteor": 0.5})
    tracker.close()
    assert draws() == expected
    assert noisy.logged == [(0, {"rollout/reward": 1.0}), (0, {"train/loss": 2.0}), (0, {"val/lexical/meteor": 0.5})]
    assert noisy.closed


def test_generators_are_restored_after_an_error() -> None:
    seed()
    expected = draws()
    seed()
    with pytest.raises(ZeroDivisionError), untouched_generators():
        raise ZeroDivisionError(draws())
    assert draws() == expected


def test_an_unknown_backend_and_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r'unknown tracking backend "wandbb"\. Did you mean "wandb"\?'):
        open_backend("wandbb", tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"logging to wandb needs its package; pip install 'rl4lms\[wandb\]'\."):
        open_backend("wandb", tmp_path)


def test_wandb_gets_names_and_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class Run:
        def log(self, values: Any) -> None:
            calls.append(values)

        def finish(self) -> None:
            calls.append("finish")

    def init(**settings: Any) -> Run:
        calls.append(settings)
        return Run()

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init))
    backend = open_backend("wandb", tmp_path, project="p", name="n", entity=None)
    backend.log(3, {"train/loss": 0.5})
    backend.close()
    assert calls[0] == {"dir": str(tmp_path), "resume": "allow", "project": "p", "name": "n", "entity": None}
    assert calls[1:] == [{"train/loss": 0.5, "step": 3}, "finish"]


def test_tensorboard_and_dvclive_write_their_files(tmp_path: Path) -> None:
    for name, package, pattern in (("tensorboard", "tensorboard", "events*"), ("dvclive", "dvclive", "metrics.json")):
        try:
            __import__(package)
        except ImportError:
            continue
        backend = open_backend(name, tmp_path)
        backend.log(0, {"train/loss": 1.0})
        backend.close()
        assert list((tmp_path / name).rglob(pattern)), name
