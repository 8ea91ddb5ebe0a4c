"""The gradient loop for the small models that the pipeline trains from scratch."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rl4lms.core import progress
from rl4lms.core.errors import RunError
from rl4lms.training.checkpoint import (
    generator_state,
    load_generator_state,
    load_newest_checkpoint,
    load_scheduler,
    load_training,
    resumed,
    save_checkpoint,
    scheduler_state,
    training_tensors,
)
from rl4lms.training.preemption import Preemption

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)
N_SAVES = 10  # checkpoints of a run


@dataclass(frozen=True)
class Optimisation:
    """Settings of fused AdamW with linear warm-up, cosine decay to 0, and gradients clipped to norm 1.

    embedding_learning_rate: another rate for the token embeddings. T5 needs it: it draws its embeddings with unit scale
    and divides its output by sqrt(d_model). Its usual optimiser, Adafactor, takes steps in proportion to a parameter's
    scale, but AdamW does not.
    """

    n_steps: int
    learning_rate: float
    warmup_steps: int = 0
    weight_decay: float = 0.0
    embedding_learning_rate: float | None = None

    def factor(self, step: int) -> float:
        """The factor of `learning_rate` at step 0 .. n_steps - 1, which is always above 0."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / max(self.n_steps - self.warmup_steps, 1)
        return 0.5 * (1 + math.cos(math.pi * done))


def build_optimizer(model: PreTrainedModel, settings: Optimisation) -> torch.optim.AdamW:
    """An AdamW with weight decay only on matrices, and with the token embeddings in a separate group."""
    embeddings = model.get_input_embeddings().weight
    rest = [p for p in model.parameters() if p is not embeddings]
    rate = settings.learning_rate
    groups = [
        {"params": [embeddings], "lr": settings.embedding_learning_rate or rate, "weight_decay": settings.weight_decay},
        {"params": [p for p in rest if p.ndim >= 2], "lr": rate, "weight_decay": settings.weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "lr": rate, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, fused=True)


@dataclass(frozen=True)
class FitCheckpoints:
    """The checkpoints of `fit`. digest: over everything that determines the run; another one is not resumed."""

    directory: Path
    digest: str

    def save(self, fitting: Fitting) -> None:
        tensors, rest = training_tensors(fitting.model, fitting.optimizer, "model")
        state = {
            "digest": self.digest,
            "losses": fitting.losses,
            "optimizer": rest,
            "schedule": scheduler_state(fitting.schedule),
            "generators": generator_state(),
        }
        save_checkpoint(self.directory, len(fitting.losses), tensors, state)

    def load(self, fitting: Fitting, n_steps: int) -> None:
        """Restore the newest checkpoint if there is one."""
        found = load_newest_checkpoint(self.directory, self.digest)
        if found is None:
            return
        tensors, state = found
        load_training(fitting.model, fitting.optimizer, "model", tensors, state["optimizer"])
        load_scheduler(fitting.schedule, state["schedule"])
        load_generator_state(state["generators"])
        fitting.losses[:] = state["losses"]
        log.info(resumed("step", len(fitting.losses), n_steps))


@dataclass
class Fitting:
    """The state that changes from step to step. losses: one for every finished step."""

    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    losses: list[float]


def fit(
    model: PreTrainedModel,
    batches: Iterator[Mapping[str, Tensor]],
    settings: Optimisation,
    checkpoints: FitCheckpoints | None = None,
) -> list[float]:
    """Minimise `model(**batch).loss` over `n_steps` batches. Returns the losses; the model is in eval mode afterwards.

    batches: always the same ones from the first on; a resumed run skips those that it has seen. Raises RunError at the
    first loss that is not finite. After SIGTERM it saves a checkpoint and raises SystemExit.
    """
    model.train()
    optimizer = build_optimizer(model, settings)
    fitting = Fitting(model, optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, settings.factor), [])
    if checkpoints is not None:
        checkpoints.load(fitting, settings.n_steps)
    every = math.ceil(settings.n_steps / N_SAVES)
    upcoming = itertools.islice(batches, len(fitting.losses), settings.n_steps)
    preemption = Preemption()
    with preemption if checkpoints is not None else contextlib.nullcontext():
        for batch in upcoming:
            _step(fitting, batch)
            done = len(fitting.losses)
            progress.steps(done, settings.n_steps, "step")
            progress.numbers({"loss": fitting.losses[-1]})
            if checkpoints is not None and (preemption.requested or done % every == 0 or done == settings.n_steps):
                checkpoints.save(fitting)
                if preemption.requested and done < settings.n_steps:
                    log.info("%s: saved after step %d of %d", preemption.reason, done, settings.n_steps)
                    preemption.leave()
    model.eval()
    return fitting.losses


def final_loss(losses: Sequence[float]) -> float:
    """The mean of the last twentieth of the losses."""
    tail = losses[-max(len(losses) // 20, 1) :]
    return sum(tail) / len(tail)


def _step(fitting: Fitting, batch: Mapping[str, Tensor]) -> None:
    output: Any = fitting.model(**batch)
    loss = output.loss.item()
    if not math.isfinite(loss):
        raise RunError(f"step {len(fitting.losses)}: the loss is {loss}; lower training.learning_rate.")
    fitting.optimizer.zero_grad(set_to_none=True)
    output.loss.backward()
    nn.utils.clip_grad_norm_(fitting.model.parameters(), 1.0)
    fitting.optimizer.step()
    fitting.schedule.step()
    fitting.losses.append(loss)
