"""One gradient loop for the small models that the pipeline trains from scratch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rl4lms.core.errors import RunError


@dataclass(frozen=True)
class Optimisation:
    """AdamW (fused), linear warm-up, cosine decay to 0, gradients clipped to norm 1."""

    n_steps: int
    learning_rate: float
    warmup_steps: int = 0
    weight_decay: float = 0.0

    def factor(self, step: int) -> float:
        """Share of `learning_rate` at step 0 .. n_steps - 1; above 0 at every one of them."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / max(self.n_steps - self.warmup_steps, 1)
        return 0.5 * (1 + math.cos(math.pi * done))


def build_optimizer(model: nn.Module, settings: Optimisation) -> torch.optim.AdamW:
    """Weight decay on matrices only."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=settings.learning_rate, fused=True)


def fit(model: nn.Module, batches: Iterator[Mapping[str, Tensor]], settings: Optimisation) -> list[float]:
    """Train `model(**batch).loss` for `n_steps` batches; the loss of each step. Leaves the model in eval mode.

    Raises RunError at the first loss that is not finite.
    """
    model.train()
    optimizer = build_optimizer(model, settings)
    parameters = [p for p in model.parameters() if p.requires_grad]
    losses = []
    for step in range(settings.n_steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * settings.factor(step)
        output: Any = model(**next(batches))
        losses.append(output.loss.item())
        if not math.isfinite(losses[-1]):
            raise RunError(f"step {step}: the loss is {losses[-1]}; lower training.learning_rate.")
        optimizer.zero_grad(set_to_none=True)
        output.loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    model.eval()
    return losses
