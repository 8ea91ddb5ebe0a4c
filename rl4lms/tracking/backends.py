"""Where numbers go besides the run's own files: TensorBoard, Weights & Biases, DVCLive. Each is an optional extra.

Logging never moves a result: a backend draws from no generator that the run uses (`untouched_generators`).
"""

from __future__ import annotations

import contextlib
import importlib
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from rl4lms.core.errors import ConfigError, unknown


class Backend(Protocol):
    """A sink for scalars."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """values: finite numbers of iteration or epoch `step`, by key."""

    def close(self) -> None:
        """Flush; no call follows."""


@contextlib.contextmanager
def untouched_generators() -> Iterator[None]:
    """Restore the global generators of random, numpy and torch after the block, of those that are loaded."""
    states: list[tuple[Callable[[Any], Any], Any]] = [(random.setstate, random.getstate())]
    if (numpy := sys.modules.get("numpy")) is not None:
        states.append((numpy.random.set_state, numpy.random.get_state()))
    if (torch := sys.modules.get("torch")) is not None:
        states.append((torch.set_rng_state, torch.get_rng_state()))
        if torch.cuda.is_initialized():
            states.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    try:
        yield
    finally:
        for restore, state in states:
            restore(state)


class TensorBoard:
    def __init__(self, run_dir: Path) -> None:
        module = _module("torch.utils.tensorboard", "tensorboard")
        self._writer = module.SummaryWriter(str(run_dir / "tensorboard"))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self._writer.add_scalar(key, value, step)

    def close(self) -> None:
        self._writer.close()


class WandB:
    """One wandb run. settings: `project`, `name`, `entity`, `config` and whatever else `wandb.init` takes."""

    def __init__(self, run_dir: Path, /, **settings: Any) -> None:
        self._run = _module("wandb", "wandb").init(dir=str(run_dir), resume="allow", **settings)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        # No step= : rollouts, updates and evaluations count apart, and wandb drops a step that goes back.
        self._run.log({**values, "step": step})

    def close(self) -> None:
        self._run.finish()


class DVCLive:
    def __init__(self, run_dir: Path) -> None:
        self._live = _module("dvclive", "dvclive").Live(
            str(run_dir / "dvclive"), save_dvc_exp=False, dvcyaml=None, report=None
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._live.step = step
        for key, value in values.items():
            self._live.log_metric(key, value)
        self._live.make_summary()

    def close(self) -> None:
        self._live.end()


BACKENDS: dict[str, Callable[..., Backend]] = {"tensorboard": TensorBoard, "wandb": WandB, "dvclive": DVCLive}


def open_backend(name: str, run_dir: Path, /, **settings: Any) -> Backend:
    """A backend by name. Raises ConfigError for an unknown one, and for one whose package is not installed."""
    if name not in BACKENDS:
        raise ConfigError(unknown("tracking backend", name, BACKENDS))
    with untouched_generators():
        return BACKENDS[name](run_dir, **settings)


def _module(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ConfigError(f"logging to {extra} needs its package; pip install 'rl4lms[{extra}]'.") from None
