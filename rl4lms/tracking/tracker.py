"""Writes the files of a run while it trains: growing jsonl files, predictions, and lines of the log.

Equal runs write equal files: keys are sorted, numbers are written by repr, and times only go to timing.jsonl. A
checkpoint has length and digest of every file (`state_dict`); `load_state_dict` cuts the files back to them, so that a
resumed run continues them exactly. Files with other names in the directory are not touched.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rl4lms.core import progress
from rl4lms.core.errors import RunError
from rl4lms.core.io import fsync, read_json, sha256_file, sha256_text, write_text
from rl4lms.core.progress_view import lines
from rl4lms.tracking.backends import Backend, untouched_generators

logger = logging.getLogger("rl4lms")
_GROWING = re.compile(r"(rollout_info|training_info|timing|(train|val|test)_split_metrics)\.jsonl")
_WHOLE = re.compile(r"epoch_\d+_(train|val|test)_split_predictions\.json")
_UNSAID = "diversity_metrics/"  # forty numbers, which are written but not said
N_SHOWN = 2  # samples of an evaluation in the live view
N_TABLE_ROWS = 50  # samples of an evaluation in a backend's table


class Tracker:
    """The files of one run, in `run_dir`. quiet: only warnings reach the log; the files are the same."""

    def __init__(self, run_dir: Path, *, backends: Sequence[Backend] = (), quiet: bool = False) -> None:
        self.run_dir = Path(run_dir)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self._backends = tuple(backends)
        self._quiet = quiet
        self._lengths: dict[str, int] = {}  # growing file -> number of bytes that this run has written
        self._predictions: dict[str, dict[str, Any]] = {}  # predictions file -> its bytes and sha256

    def log_rollout(self, iteration: int, info: Mapping[str, float]) -> None:
        """Append a line to rollout_info.jsonl. Like all methods, it raises RunError for a number that is not finite."""
        self._append("rollout_info.jsonl", {"iteration": iteration, **_sorted(info)})
        self._send(iteration, info)

    def log_training(self, iteration: int, info: Mapping[str, float]) -> None:
        """Append a line to training_info.jsonl."""
        self._append("training_info.jsonl", {"iteration": iteration, **_sorted(info)})
        self._send(iteration, info)

    def log_split_metrics(self, split: str, epoch: int, metrics: Mapping[str, float]) -> None:
        """Append a line to <split>_split_metrics.jsonl, as in RL4LMs: {"epoch": n, "metrics": {...}}.

        What is said of it has the change since the first line of the file, the start of the run.
        """
        name = f"{split}_split_metrics.jsonl"
        line = self._append(name, {"epoch": epoch, "metrics": _sorted(metrics)}, say=False)
        with open(self.run_dir / name, encoding="utf-8") as f:
            first = json.loads(f.readline())
        before = first["metrics"] if first["epoch"] != epoch else {}
        self.log_progress(f"{split}_split_metrics: {_line(line, before)}")
        progress.scores(split, _said(line["metrics"]), before)
        self._send(epoch, {f"{split}/{key}": value for key, value in metrics.items()})

    def log_predictions(self, split: str, epoch: int, rows: list[dict[str, Any]]) -> None:
        """Write epoch_<n>_<split>_split_predictions.json. Backends get its first rows as a table."""
        name = f"epoch_{epoch}_{split}_split_predictions.json"
        checked = [{k: _json_value(v, f"{name}: row {i}: {k}") for k, v in row.items()} for i, row in enumerate(rows)]
        text = json.dumps(checked, indent=1, ensure_ascii=False) + "\n"
        write_text(self.run_dir / name, text)
        self._predictions[name] = {"bytes": len(text.encode()), "sha256": sha256_text(text)}
        if split == "val":
            texts = [(row.get("prompt_text", ""), row["generated_text"], row["sample_id"]) for row in rows[:N_SHOWN]]
            before = self._texts_before if epoch else {}
            progress.samples([(prompt, before.get(sample_id), now) for prompt, now, sample_id in texts])
        for backend in self._backends:
            with untouched_generators():
                backend.log_table(epoch, f"{split}/completions", checked[:N_TABLE_ROWS])

    @cached_property
    def _texts_before(self) -> dict[str, str]:
        """Sample id -> text before training, of the first samples of val, from the file, as a resumed run has it."""
        path = self.run_dir / "epoch_0_val_split_predictions.json"
        rows = read_json(path)[:N_SHOWN] if path.is_file() else []
        return {row["sample_id"]: row["generated_text"] for row in rows}

    def log_timing(self, iteration: int, info: Mapping[str, float]) -> None:
        """Append a line to timing.jsonl, the only file that differs between equal runs."""
        self._append("timing.jsonl", {"iteration": iteration, **_sorted(info)}, say=False)

    def log_info(self, message: str) -> None:
        if not self._quiet:
            logger.info("%s", message)

    def log_progress(self, message: str) -> None:
        """Like `log_info`, but hidden on a terminal with a live view, which shows the same."""
        if not self._quiet:
            lines.info("%s", message)

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """Bytes and sha256 of every file of the run, after writing them through to the disk.

        Raises RunError if a growing file has another length than this run has written: another process writes it, too.
        """
        state = {}
        for path in self._own(_GROWING):
            fsync(path)
            self._check_length(path, path.stat().st_size)
            state[path.name] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        return state | self._predictions

    def _own(self, names: re.Pattern[str]) -> list[Path]:
        return sorted(path for path in self.run_dir.glob("*.json*") if names.fullmatch(path.name))

    def _check_length(self, path: Path, found: int) -> None:
        written = self._lengths.setdefault(path.name, found)
        if found != written:
            raise RunError(
                f"{path}: {found} bytes where this run has written {written}: another process writes it, too. Stop "
                f"that one and give the same command again; if it is refused, delete {self.run_dir} to start over."
            )

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Cut every growing file back to its length in `state`, and remove files of the run that are not in `state`.

        Raises RunError if the beginning of a file, or a predictions file, is not what the run has written.
        """
        for name, known in state.items():
            path = self.run_dir / name
            body = path.read_bytes() if path.is_file() else b""
            begin = body if _WHOLE.fullmatch(name) else body[: known["bytes"]]
            if hashlib.sha256(begin).hexdigest() != known["sha256"]:
                raise RunError(
                    f"{path}: not the {known['bytes']} bytes that the checkpoint knows; delete {self.run_dir} to start "
                    "this run over."
                )
        for path in [*self._own(_GROWING), *self._own(_WHOLE)]:
            if path.name not in state:
                path.unlink()
            elif _GROWING.fullmatch(path.name):
                os.truncate(path, state[path.name]["bytes"])
        self._lengths = {name: known["bytes"] for name, known in state.items() if _GROWING.fullmatch(name)}
        self._predictions = {name: dict(known) for name, known in state.items() if _WHOLE.fullmatch(name)}

    def close(self) -> None:
        for backend in self._backends:
            with untouched_generators():
                backend.close()

    def _append(self, name: str, line: dict[str, Any], *, say: bool = True) -> dict[str, Any]:
        checked = {key: _json_value(value, f"{name}: {key}") for key, value in line.items()}
        with open(self.run_dir / name, "a", encoding="utf-8") as f:
            self._check_length(self.run_dir / name, f.tell())
            f.write(json.dumps(checked, ensure_ascii=False) + "\n")
            f.flush()
            self._lengths[name] = f.tell()
        if say:
            self.log_progress(f"{name.removesuffix('.jsonl')}: {_line(checked)}")
        return checked

    def _send(self, step: int, values: Mapping[str, float]) -> None:
        for backend in self._backends:
            with untouched_generators():
                backend.log(step, values)


class SilentTracker(Tracker):
    """A tracker that writes nothing, for all processes of a launch except the first."""

    def log_split_metrics(self, split: str, epoch: int, metrics: Mapping[str, float]) -> None:
        return

    def log_predictions(self, split: str, epoch: int, rows: list[dict[str, Any]]) -> None:
        return

    def log_info(self, message: str) -> None:
        return

    def log_progress(self, message: str) -> None:
        return

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        return

    def _append(self, name: str, line: dict[str, Any], *, say: bool = True) -> dict[str, Any]:
        return line


def _sorted(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: values[key] for key in sorted(values)}


def _json_value(value: Any, key: str) -> Any:
    """`value` with Python numbers instead of scalars of numpy and torch. Raises RunError if one is not finite."""
    if isinstance(value, Mapping):
        return {str(k): _json_value(v, f"{key}: {k}") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(v, f"{key}[{i}]") for i, v in enumerate(value)]
    if value is None or isinstance(value, str | bool | int):
        return value
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, float) and not math.isfinite(number):
        raise RunError(f"{key} is {number}, expected a finite number; the run cannot be trusted from here.")
    return number


def _said(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metrics.items() if not key.startswith(_UNSAID)}


def _line(values: Mapping[str, Any], before: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The numbers of a line in short form, for the log, with the change since `before`, without the diversity."""
    shown = []
    for key, value in _said({**values, **values.get("metrics", {})}).items():
        if isinstance(value, float):
            change = f" ({value - before[key]:+.3g})" if key in before else ""
            shown.append(f"{key} {value:.4g}{change}")
        elif not isinstance(value, Mapping):
            shown.append(f"{key} {value}")
    return ", ".join(shown)
