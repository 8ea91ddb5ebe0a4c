"""The `Trainer` of Hugging Face with this project's checkpoints, which resume exactly and hold no pickles.

The Trainer's own checkpoints pickle optimiser, scheduler and generators, and lack the loss that was summed up since the
last line of the log. It saves and loads each part by a method; only these methods are replaced here.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import TrainerState

from rl4lms.tracking.tracker import Tracker
from rl4lms.training.checkpoint import (
    generator_state,
    load_generator_state,
    load_newest_checkpoint,
    load_optimizer,
    load_scheduler,
    load_weights,
    resumed,
    save_checkpoint,
    scheduler_state,
    training_tensors,
    with_prefix,
)


class ExactTrainer(Trainer):
    """A Trainer with exact checkpoints.

    checkpoints: their directory; digest: the digest of the run; tracker: its state is part of a checkpoint.
    embedding_rate: another learning rate for the token embeddings (see `rl4lms.training.fitting.Optimisation`).
    """

    def __init__(
        self, *, checkpoints: Path, digest: str, tracker: Tracker, embedding_rate: float | None, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self.checkpoints, self.digest, self.tracker = checkpoints, digest, tracker
        self.embedding_rate = embedding_rate
        self._found: tuple[dict[str, torch.Tensor], dict[str, Any]] | None = None

    def run(self) -> None:
        """Train to the end, from the newest checkpoint if there is one."""
        self._found = load_newest_checkpoint(self.checkpoints, self.digest)
        if self._found is None:
            self.tracker.load_state_dict({})  # removes lines of a run that was killed before its first checkpoint
            self.train()
            return
        saved: Mapping[str, Any] = self._found[1]["trainer"]
        self.tracker.load_state_dict(self._found[1]["tracker"])
        self.tracker.log_info(resumed("step", saved["global_step"], saved["max_steps"]))
        if saved["global_step"] >= saved["max_steps"]:  # otherwise the Trainer would begin another epoch
            self._load_from_checkpoint("")
            load_generator_state(self._found[1]["generators"])
            self.state = TrainerState(**saved)
            return
        with tempfile.TemporaryDirectory() as directory:  # the Trainer reads its own state from a file
            Path(directory, TRAINER_STATE_NAME).write_text(json.dumps(saved))
            self.train(resume_from_checkpoint=directory)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        optimizer = super().create_optimizer(model)
        if self.embedding_rate is not None:
            trained: Any = self.model if model is None else model
            embeddings = trained.get_input_embeddings().weight
            group = next(g for g in optimizer.param_groups if any(p is embeddings for p in g["params"]))
            group["params"] = [p for p in group["params"] if p is not embeddings]
            optimizer.add_param_group({**group, "params": [embeddings], "lr": self.embedding_rate})
        return optimizer

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.store_flos()
        tensors, rest = training_tensors(self._own_model, self._own_optimizer, "model")
        state = {
            "digest": self.digest,
            "trainer": asdict(self.state),
            "optimizer": rest,
            "scheduler": scheduler_state(self.lr_scheduler),
            "scaler": None if self.accelerator.scaler is None else self.accelerator.scaler.state_dict(),
            "loss": [float(self._tr_loss), self._total_loss_scalar, self._globalstep_last_logged],
            "tracker": self.tracker.state_dict(),
            "generators": generator_state(),
        }
        save_checkpoint(self.checkpoints, self.state.global_step, tensors, state)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        assert self._found is not None
        tensors, state = self._found
        load_weights(self._own_model, "model", tensors, state["optimizer"])

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if self._found is not None:
            tensors, state = self._found
            load_optimizer(self._own_optimizer, with_prefix(tensors, "optimizer"), state["optimizer"])
            load_scheduler(self.lr_scheduler, state["scheduler"])

    def _load_scaler(self, checkpoint: str | None) -> None:
        if self._found is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(self._found[1]["scaler"])

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Restore the generators and the summed-up loss. The Trainer calls this just before the first step."""
        if self._found is not None:
            state = self._found[1]
            gathered, self._total_loss_scalar, self._globalstep_last_logged = state["loss"]
            self._tr_loss = torch.tensor(gathered, device=self.args.device)
            load_generator_state(state["generators"])

    @property
    def _own_optimizer(self) -> torch.optim.Optimizer:
        """The optimiser without the wrapper that accelerate puts around it."""
        optimizer: Any = self.optimizer
        return getattr(optimizer, "optimizer", optimizer)  # type: ignore[no-any-return]

    @property
    def _own_model(self) -> torch.nn.Module:
        assert isinstance(self.model, torch.nn.Module)
        return self.model
