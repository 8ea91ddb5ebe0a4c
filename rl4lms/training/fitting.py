"""One gradient loop for the small models that the pipeline trains from scratch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rl4lms.core import progress
from rl4lms.core.errors import RunError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Optimisation:
    """AdamW (fused), linear warm-up, cosine decay to 0, gradients clipped to norm 1.

    embedding_learning_rate: of the token embeddings where it differs. T5 draws them with unit scale and divides its
    output by sqrt(d_model); its own optimiser, Adafactor, steps in proportion to a parameter's scale. AdamW does not.
    """

    n_steps: int
    learning_rate: float
    warmup_steps: int = 0
    weight_decay: float = 0.0
    embedding_learning_rate: float | None = None

    def factor(self, step: int) -> float:
        """Share of `learning_rate` at step 0 .. n_steps - 1; above 0 at every one of them."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / max(self.n_steps - self.warmup_steps, 1)
        return 0.5 * (1 + math.cos(math.pi * done))


def build_optimizer(model: PreTrainedModel, settings: Optimisation) -> torch.optim.AdamW:
    """Weight decay on matrices only; the token embeddings are a group of their own."""
    embeddings = model.get_input_embeddings().weight
    rest = [p for p in model.parameters() if p is not embeddings]
    rate = settings.learning_rate
    groups = [
        {"params": [embeddings], "lr": settings.embedding_learning_rate or rate, "weight_decay": settings.weight_decay},
        {"params": [p for p in rest if p.ndim >= 2], "lr": rate, "weight_decay": settings.weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "lr": rate, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, fused=True)


def fit(model: PreTrainedModel, batches: Iterator[Mapping[str, Tensor]], settings: Optimisation) -> list[float]:
    """Train `model(**batch).loss` for `n_steps` batches; the loss of each step. Leaves the model in eval mode.

    Raises RunError at the first loss that is not finite.
    """
    model.train()
    optimizer = build_optimizer(model, settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, settings.factor)
    losses = []
    for step in range(settings.n_steps):
        output: Any = model(**next(batches))
        losses.append(output.loss.item())
        progress.steps(step + 1, settings.n_steps, "step")
        progress.numbers({"loss": losses[-1]})
        if not math.isfinite(losses[-1]):
            raise RunError(f"step {step}: the loss is {losses[-1]}; lower training.learning_rate.")
        optimizer.zero_grad(set_to_none=True)
        output.loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()
    return losses
