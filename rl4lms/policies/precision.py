"""Arithmetic in bfloat16 over weights that stay float32."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def bfloat16(device_type: str, *models: nn.Module) -> Iterator[None]:
    """Autocast to bfloat16 while the block runs.

    models: whose weights the block, which takes no gradients, uses more than once. Autocast keeps the cast of a weight
    to the end of its block only if the weight requires a gradient; a frozen one it would cast for every token.
    """
    frozen = [p for model in models for p in model.parameters() if not p.requires_grad and p.is_floating_point()]
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        with torch.autocast(device_type, torch.bfloat16), torch.no_grad() if models else contextlib.nullcontext():
            yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
