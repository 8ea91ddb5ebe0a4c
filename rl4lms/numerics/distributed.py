"""Data parallel over the processes of one launch; with a single process every function here is the identity.

Every process holds the whole rollout and the same weights. What is shared out is work: episodes to generate and to
score, episodes of a minibatch to differentiate. Sums over processes put it together again.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rl4lms.core.launch import launch_size, local_rank

T = TypeVar("T")


@contextlib.contextmanager
def process_group() -> Iterator[None]:
    """Join the processes of the launch while the block runs: nccl if each has a GPU of its own, else gloo."""
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
    """`items` cut into one contiguous share a process, in order; sizes differ by at most one."""
    n, k = len(items), world_size()
    bounds = [i * n // k for i in range(k + 1)]
    return [items[a:b] for a, b in itertools.pairwise(bounds)]


def gather(value: T) -> list[T]:
    """Every process's `value`, by rank. Tensors in it must be on the CPU."""
    if world_size() == 1:
        return [value]
    out: list[Any] = [None] * world_size()
    dist.all_gather_object(out, value)
    return out


def sum_tensor(tensor: Tensor) -> Tensor:
    """The sum of the processes' tensors of one shape, bit for bit the same on each of them."""
    if world_size() > 1:
        tensor = tensor.contiguous()
        dist.all_reduce(tensor)
    return tensor


def sum_numbers(numbers: Mapping[str, float]) -> dict[str, float]:
    """Sums by name; a process may lack a name."""
    total: dict[str, float] = {}
    for part in gather(dict(numbers)):
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """`.grad` of every parameter becomes the sum over processes; it stays None if none of them has one."""
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
