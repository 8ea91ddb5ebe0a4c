"""Forward passes in bfloat16 with weights that stay float32."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def bfloat16(device_type: str, *models: nn.Module) -> Iterator[None]:
    """Autocast to bfloat16 while the block runs.

    models: those that the block runs several times, without gradients. Autocast caches the cast of a weight only if the
    weight requires a gradient; frozen weights would be cast again for every token. So they require one in the block.
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
