"""Optional trackers that get the numbers of a run, too: TensorBoard, Weights & Biases, DVCLive. Each is an extra.

Tracking cannot change a result, because the global random generators are restored after each call of a backend.
"""

from __future__ import annotations

import contextlib
import importlib
import random
import re
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.io import write_text


class Backend(Protocol):
    """A tracker of numbers and texts."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log finite numbers, by key, of iteration or epoch `step`."""

    def log_table(self, step: int, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Log texts with their scores, a row each, of epoch `step`. Rows have the same columns."""

    def close(self) -> None:
        """Write everything. No other call follows."""


@contextlib.contextmanager
def untouched_generators() -> Iterator[None]:
    """Restore the global random generators after the block: those of Python, numpy and torch, as far as imported."""
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
    """Event files in RUN/tensorboard. A resumed run adds one."""

    def __init__(self, run_dir: Path) -> None:
        module = _module("tensorboard")
        self._writer = module.SummaryWriter(str(run_dir / "tensorboard"))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self._writer.add_scalar(key, value, step)

    def log_table(self, step: int, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._writer.add_text(key, texts_in_markdown(rows), step)

    def close(self) -> None:
        self._writer.close()


class WandB:
    """One wandb run in RUN/wandb. Its id is stored there, so that a resumed run continues it.

    settings: `project`, `name`, `entity`, `config` and other arguments of `wandb.init`. Printed output is not captured.
    Raises ConfigError if wandb cannot start, for example because nobody is logged in.
    """

    def __init__(self, run_dir: Path, /, **settings: Any) -> None:
        wandb = _module("wandb")
        id_file = run_dir / "wandb" / "run_id.txt"
        if not id_file.is_file():
            write_text(id_file, uuid.uuid4().hex[:12] + "\n")
        silent = wandb.Settings(console="off")
        run_id = id_file.read_text(encoding="utf-8").strip()
        try:
            self._run = wandb.init(dir=str(run_dir), id=run_id, resume="allow", settings=silent, **settings)
        except wandb.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"logging to wandb: {reason} Log in, or set WANDB_MODE=offline to keep the run here."
            ) from None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        # Without step=, because rollouts, updates and evaluations count separately, and wandb drops decreasing steps.
        self._run.log({**values, "step": step})

    def log_table(self, step: int, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = list(rows[0]) if rows else []
        table = _module("wandb").Table(columns=columns, data=[[row[c] for c in columns] for row in rows])
        self._run.log({key: table, "step": step})

    def close(self) -> None:
        self._run.finish()


class DVCLive:
    """Plots and metrics.json in RUN/dvclive, without a DVC experiment. A resumed run continues the same files."""

    def __init__(self, run_dir: Path) -> None:
        folder = run_dir / "dvclive"
        self._live = _module("dvclive").Live(
            str(folder), resume=folder.is_dir(), save_dvc_exp=False, dvcyaml=None, report=None
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._live.step = step
        for key, value in values.items():
            self._live.log_metric(key, value)
        self._live.make_summary()

    def log_table(self, step: int, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Nothing: DVCLive has no tables of texts."""

    def close(self) -> None:
        self._live.end()


def texts_in_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table in Markdown, whatever their texts contain. Numbers have four digits."""
    columns = list(rows[0]) if rows else []
    lines = [[_cell(c) for c in columns], ["---"] * len(columns), *([_cell(row[c]) for c in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(value: Any) -> str:
    """A number, or a text with its punctuation as entities, which are no marks of Markdown or HTML."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = re.sub(r"[!-/:-@\[-`{-~]", lambda mark: f"&#{ord(mark[0])};", str(value).strip())
    return "<br>".join(text.splitlines())


BACKENDS: dict[str, Callable[..., Backend]] = {"tensorboard": TensorBoard, "wandb": WandB, "dvclive": DVCLive}


# backend -> the module that it needs. The extra with the backend's name installs it.
_MODULES = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb", "dvclive": "dvclive"}


def check_backends(names: Iterable[str]) -> None:
    """Raises ConfigError for an unknown backend, or one whose package is not installed."""
    for name in names:
        if name not in BACKENDS:
            raise ConfigError(unknown("tracking backend", name, BACKENDS))
        _module(name)


def open_backend(name: str, run_dir: Path, /, **settings: Any) -> Backend:
    """Open a backend by name. Raises ConfigError if it is unknown, not installed, or cannot start."""
    with untouched_generators():
        check_backends([name])
        return BACKENDS[name](run_dir, **settings)


def _module(backend: str) -> Any:
    try:
        return importlib.import_module(_MODULES[backend])
    except ImportError:
        raise ConfigError(
            f"logging to {backend} needs its package; pip install 'rl4lms-grue[{backend}]', or leave it out."
        ) from None
