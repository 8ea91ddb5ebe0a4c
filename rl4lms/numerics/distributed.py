"""Data parallelism over the processes of a launch. In a single process every function here does nothing.

Every process has the whole rollout and the same weights. The work is divided: which episodes to generate and to score,
and which episodes of a minibatch to differentiate. The results are summed over the processes.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rl4lms.core.launch import launch_size, local_rank

T = TypeVar("T")


@contextlib.contextmanager
def process_group() -> Iterator[None]:
    """Connect the processes of the launch while the block runs: by nccl if each has a GPU, else by gloo."""
    if launch_size() == 1 or dist.is_initialized():
        yield
        return
    gpus = torch.cuda.device_count() > local_rank()
    if gpus:
        torch.cuda.set_device(local_rank())
    dist.init_process_group("nccl" if gpus else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def shares(items: Sequence[T]) -> list[Sequence[T]]:
    """`items` divided into one contiguous share per process, in order. Their sizes differ by at most one."""
    n, k = len(items), world_size()
    bounds = [i * n // k for i in range(k + 1)]
    return [items[a:b] for a, b in itertools.pairwise(bounds)]


class _Frame(pickle.Pickler):
    """Pickles an object without the tensors in it, which it collects."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.tensors: list[Tensor] = []

    def persistent_id(self, obj: Any) -> int | None:
        if not isinstance(obj, Tensor):
            return None
        self.tensors.append(obj)
        return len(self.tensors) - 1


class _Filled(pickle.Unpickler):
    """Puts tensors in the places of those that `_Frame` left out."""

    def __init__(self, frame: bytes, tensors: Sequence[Tensor]) -> None:
        super().__init__(io.BytesIO(frame))
        self.tensors = tensors

    def persistent_load(self, pid: Any) -> Tensor:
        tensor: Tensor = self.tensors[pid]
        return tensor


def gather(value: T) -> list[T]:
    """The `value` of every process, by rank. The tensors in it are sent as such; with nccl they must be on the GPU."""
    if world_size() == 1:
        return [value]
    pickler = _Frame(file := io.BytesIO())
    pickler.dump(value)
    own = file.getvalue(), [(tuple(x.shape), x.dtype, x.device.type) for x in pickler.tensors]
    frames: list[Any] = [None] * world_size()
    dist.all_gather_object(frames, own)
    values: list[Any] = []
    for owner, (frame, kinds) in enumerate(frames):
        tensors = [x.contiguous() for x in pickler.tensors] if owner == rank() else [_empty(*kind) for kind in kinds]
        for tensor in tensors:
            dist.broadcast(tensor.view(torch.uint8) if tensor.dtype == torch.bool else tensor, owner)
        values.append(_Filled(frame, tensors).load())
    return values


def _empty(shape: tuple[int, ...], dtype: torch.dtype, device: str) -> Tensor:
    return torch.empty(shape, dtype=dtype, device=f"cuda:{torch.cuda.current_device()}" if device == "cuda" else device)


def sum_tensor(tensor: Tensor) -> Tensor:
    """The sum of the tensors of all processes, which must have one shape. It is exactly the same on each process."""
    if world_size() > 1:
        tensor = tensor.contiguous()
        dist.all_reduce(tensor)
    return tensor


def sum_numbers(numbers: Mapping[str, float]) -> dict[str, float]:
    """The sums over processes by name. A process may lack a name."""
    total: dict[str, float] = {}
    for part in gather(dict(numbers)):
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Set `.grad` of every parameter to the sum over processes. It stays None if no process has one."""
    if world_size() == 1:
        return
    held = list(parameters)
    present = sum_tensor(torch.tensor([float(p.grad is not None) for p in held], device=held[0].device)).tolist()
    used = [p for p, n in zip(held, present, strict=True) if n]
    for dtype in dict.fromkeys(p.dtype for p in used):
        group = [p for p in used if p.dtype == dtype]
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in group]
        flat = sum_tensor(torch.cat([g.flatten() for g in grads]))
        for p, part in zip(group, flat.split([p.numel() for p in group]), strict=True):
            p.grad = part.view_as(p)
