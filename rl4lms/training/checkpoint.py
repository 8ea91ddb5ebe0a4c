"""Checkpoints that resume exactly. They are safetensors and JSON, appear whole, and are verified when they are read."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import random
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rl4lms.core.checkpoints import BEST, STATE, TENSORS, checkpoint_name, is_checkpoint, may_be_checkpoint
from rl4lms.core.errors import ConfigError, RunError, UserError
from rl4lms.core.io import (
    SCRATCH,
    canonical_json,
    free_name,
    fsync,
    give_usual_modes,
    make_directory,
    read_json,
    sha256_file,
    sha256_text,
    write_json,
)

log = logging.getLogger(__name__)
KEPT = 2
FORMAT = 1
WRITING = ".writing."


def resumed(unit: str, done: int, n: int) -> str:
    """The log line for a run that continues from a checkpoint."""
    if done < n:
        return f"resumed after {unit} {done} of {n}"
    return f"finished after {unit} {done} of {n}: nothing is left to train"


def parameters_of(module: nn.Module, skip: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """All parameters and buffers by name, tied ones once, except names that start with one of `skip`.

    Weights under adapters are left out, too: they stay as they were loaded (`weights_under_adapters`).
    """
    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    under = weights_under_adapters(module)
    return {k: v.detach() for k, v in named.items() if not k.startswith(skip) and k not in under}


def weights_under_adapters(module: nn.Module) -> dict[str, Tensor]:
    """The parameters by name that peft's adapters leave as they are: those of the models that have been adapted."""
    adapted = tuple(name for name, part in module.named_modules() if hasattr(part, "peft_config"))
    frozen = ((name, p) for name, p in module.named_parameters() if not p.requires_grad and "lora_" not in name)
    return {name: p.detach() for name, p in frozen if any(name.startswith(f"{of}." if of else "") for of in adapted)}


_digests: weakref.WeakKeyDictionary[nn.Module, str | None] = weakref.WeakKeyDictionary()


def _digest_under_adapters(module: nn.Module, skip: tuple[str, ...]) -> str | None:
    """sha256 over the weights under a module's adapters, which is computed once; None without adapters."""
    if module not in _digests:
        digest = hashlib.sha256()
        under = {name: p for name, p in weights_under_adapters(module).items() if not name.startswith(skip)}
        for name, tensor in under.items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
            raw: Any = tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy()
            digest.update(raw)
        _digests[module] = digest.hexdigest() if under else None
    return _digests[module]


def load_parameters(module: nn.Module, tensors: Mapping[str, Tensor], skip: tuple[str, ...] = ()) -> None:
    """Copy tensors into a module's parameters. Raises RunError if names or shapes differ."""
    own = parameters_of(module, skip)
    if own.keys() != tensors.keys():
        odd = sorted(own.keys() ^ tensors.keys())[:3]
        raise RunError(f"checkpoint: it belongs to another model; parameters differ, among them {', '.join(odd)}.")
    with torch.no_grad():
        for name, tensor in tensors.items():
            if own[name].shape != tensor.shape:
                raise RunError(
                    f"checkpoint: {name} has shape {tuple(tensor.shape)}, expected {tuple(own[name].shape)}."
                )
            own[name].copy_(tensor)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state of an optimiser: (tensors by "index.name", everything else)."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    rest: dict[str, Any] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            (tensors if isinstance(value, Tensor) else rest)[f"{index}.{name}"] = value
    groups = [{k: v for k, v in group.items() if _is_plain(v)} for group in state["param_groups"]]
    return tensors, {"values": rest, "param_groups": groups}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(v) for v in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool | int | str)


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Load the result of `optimizer_tensors` into an optimiser with the same parameters in the same groups."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *rest["values"].items()]:
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    groups = [
        {**own, **saved}
        for own, saved in zip(optimizer.state_dict()["param_groups"], rest["param_groups"], strict=True)
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def training_tensors(
    module: nn.Module, optimizer: torch.optim.Optimizer, name: str, skip: tuple[str, ...] = ()
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(parameters as "<name>.*" and their moments as "optimizer.*", the rest of the optimiser's state).

    Of weights under adapters the rest has a digest.
    """
    moments, rest = optimizer_tensors(optimizer)
    rest["under_adapters"] = _digest_under_adapters(module, skip)
    tensors = {f"{name}.{k}": v for k, v in parameters_of(module, skip).items()}
    return tensors | {f"optimizer.{k}": v for k, v in moments.items()}, rest


def load_weights(
    module: nn.Module,
    name: str,
    tensors: Mapping[str, Tensor],
    rest: Mapping[str, Any],
    skip: tuple[str, ...] = (),
) -> None:
    """Load the weights of `training_tensors` into a module. Raises RunError if it is another one."""
    if rest["under_adapters"] != _digest_under_adapters(module, skip):
        raise RunError("checkpoint: the model under its adapters has other weights than when the run began.")
    load_parameters(module, with_prefix(tensors, name), skip)


def load_training(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    name: str,
    tensors: Mapping[str, Tensor],
    rest: Mapping[str, Any],
    skip: tuple[str, ...] = (),
) -> None:
    """Load the result of `training_tensors` into a module and its optimiser. Raises RunError as `load_weights` does."""
    load_weights(module, name, tensors, rest, skip)
    load_optimizer(optimizer, with_prefix(tensors, "optimizer"), rest)


def scheduler_state(scheduler: Any) -> dict[str, Any]:
    """The counters and values of a learning-rate scheduler, without its functions.

    Raises ConfigError for a scheduler whose state JSON cannot hold, because it has tensors or other schedulers.
    """
    ignored = ("optimizer", "lr_lambdas", "_initial_step", "_opt_called", "_get_lr_called_within_step")
    state = {k: v for k, v in vars(scheduler).items() if k not in ignored and not callable(v)}
    odd = sorted(k for k, v in state.items() if not _is_plain(v))
    if odd:
        raise ConfigError(
            f"scheduler {type(scheduler).__name__}: {', '.join(odd)} cannot be kept in a checkpoint; choose another "
            'lr_scheduler_type, or save_strategy: "no".'
        )
    return state


def load_scheduler(scheduler: Any, state: Mapping[str, Any]) -> None:
    vars(scheduler).update(state)


def generator_state() -> dict[str, Any]:
    """The state of the global random generators, which a user's code may draw from. This library's have no state."""
    version, internal, gauss = random.getstate()
    name, keys, pos, has_gauss, cached = np.random.get_state()
    cuda = [s.tolist() for s in torch.cuda.get_rng_state_all()] if torch.cuda.is_available() else []
    return {
        "python": [version, list(internal), gauss],
        "numpy": [name, np.asarray(keys).tolist(), int(pos), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state().tolist(),
        "cuda": cuda,
    }


def load_generator_state(state: Mapping[str, Any]) -> None:
    """Restore the global random generators to a result of `generator_state`."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, pos, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np.asarray(keys, dtype=np.uint32), pos, has_gauss, cached))
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([torch.tensor(s, dtype=torch.uint8) for s in state["cuda"]])


def save_checkpoint(
    directory: Path, iteration: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any], *, is_best: bool = False
) -> Path:
    """Write `<directory>/<iteration>` whole or not at all, and remove all but the newest two.

    is_best: also replace the copy `<directory>/best`. It is written before the checkpoint: if the process is killed in
    between, the resumed run repeats the iteration and writes it again.
    """
    make_directory(directory)
    for left in directory.glob(f"{WRITING}*{SCRATCH}"):  # left by a killed process, because a run has one writer
        shutil.rmtree(left, ignore_errors=True)
    final = directory / checkpoint_name(iteration)
    scratch = Path(tempfile.mkdtemp(prefix=WRITING, suffix=SCRATCH, dir=directory))
    try:
        weights = scratch / TENSORS
        save_file({k: v.contiguous().cpu() for k, v in tensors.items()}, weights)
        fsync(weights)
        body = {"format": FORMAT, "iteration": iteration, **state, "tensors_sha256": sha256_file(weights)}
        body["state_sha256"] = sha256_text(canonical_json(body))
        write_json(scratch / STATE, body)
        give_usual_modes(scratch)
        fsync(scratch)
        if is_best:
            copy = Path(shutil.copytree(scratch, directory / f"{WRITING}best{SCRATCH}"))
            _put(copy, directory / BEST)
        _put(scratch, final)
        fsync(directory)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    ours = [path for path in _checkpoints(directory) if int(path.name) <= iteration and is_checkpoint(path)]
    for old in ours[:-KEPT]:
        with contextlib.suppress(OSError):
            _remove(old)
    return final


def _put(scratch: Path, final: Path) -> None:
    """Rename a directory to `final` in place of an old checkpoint. A directory that is no checkpoint is set aside."""
    if final.exists() and not (is_checkpoint(final) or may_be_checkpoint(final)):
        aside = free_name(final)
        os.rename(final, aside)
        log.warning("%s: not a checkpoint of this program; set aside as %s.", final, aside.name)
    _remove(final)
    os.replace(scratch, final)


def _remove(checkpoint: Path) -> None:
    """Remove a checkpoint; of a link, only the link."""
    if checkpoint.is_symlink():
        checkpoint.unlink()
    elif checkpoint.exists():
        shutil.rmtree(checkpoint)


def with_prefix(tensors: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """name -> tensor, of the tensors named "<kind>.<name>"."""
    return {k.removeprefix(f"{kind}."): v for k, v in tensors.items() if k.startswith(f"{kind}.")}


def _checkpoints(directory: Path) -> list[Path]:
    found = (path for path in directory.glob("[0-9]*") if path.is_dir() and may_be_checkpoint(path))
    return sorted(found, key=lambda path: int(path.name))


def load_newest_checkpoint(directory: Path, digest: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest undamaged checkpoint with this digest; None if there are no checkpoints.

    Each one that cannot be used is reported. Raises RunError if none can be used, because a run that has lost its state
    must not start over silently.
    """
    found = _checkpoints(directory)
    problems: list[str] = []
    for path in reversed(found):
        try:
            return _read(path, digest)
        except RunError as error:
            problems.append(str(error))
            log.warning("%s; trying the one before it", error)
    if problems:
        raise RunError(
            f"{directory}: no usable checkpoint ({problems[0]}). Delete {directory.parent} to start this run over."
        )
    return None


def _read(path: Path, digest: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        state = read_json(path / STATE)
        recorded = state.pop("state_sha256")
        if recorded != sha256_text(canonical_json(state)):
            raise RunError(f"{path}: state.json does not match its own digest")
        if state["tensors_sha256"] != sha256_file(path / TENSORS):
            raise RunError(f"{path}: tensors.safetensors does not match its digest")
        tensors = load_file(path / TENSORS)
    except RunError:
        raise
    except (
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        RecursionError,
        SafetensorError,
        UserError,
    ) as error:
        raise RunError(f"{path}: cannot be read ({type(error).__name__}: {error})") from None
    if state.get("digest") != digest:
        raise RunError(
            f"{path}: it belongs to another configuration, data, code version, thread count, kernels or packages"
        )
    return tensors, state
