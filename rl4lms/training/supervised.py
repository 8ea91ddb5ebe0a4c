"""Supervised fine-tuning, the warm start of RL: Hugging Face `Trainer` over prompts and references."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import PrinterCallback, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerState

from rl4lms.config.inputs import local_inputs
from rl4lms.config.schema import ComponentConfig, RunConfig, SupervisedConfig
from rl4lms.core import progress
from rl4lms.core.errors import ConfigError, DataError, RunError
from rl4lms.core.io import write_json
from rl4lms.core.kernels import settle_process
from rl4lms.core.manifest import build_manifest
from rl4lms.core.seeding import derive_seed
from rl4lms.core.tables import DataPoolRegistry
from rl4lms.core.work_directory import input_digests
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.policies.language_models import load_language_model
from rl4lms.tokenization.tokenizer import build_tokenizer, save_tokenizer
from rl4lms.tracking.tracker import Tracker
from rl4lms.training.checkpoint import run_digest
from rl4lms.training.exact_trainer import ExactTrainer
from rl4lms.training.preemption import Preemption
from rl4lms.training.supervised_data import (
    Collator,
    Example,
    causal_examples,
    context_length,
    pairs,
    seq2seq_examples,
    target_loss,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Evaluate = Callable[["PreTrainedModel", str, int], None]
"""Called with (model in eval mode, "val" | "test", epoch): both at the start, val after each epoch, test at the end."""

# What the published files leave out and this project decides; everything else is TrainingArguments' own default.
_DEFAULTS: dict[str, Any] = {
    "save_strategy": "steps",
    "save_steps": 0.1,  # of the run's
    "report_to": "none",  # the tracker reports
    "disable_tqdm": True,
    "logging_nan_inf_filter": False,  # a loss that is not finite ends the run; it is not averaged away
    "eval_strategy": "no",  # the validation loss is taken here, over reference tokens
}


@dataclass(frozen=True)
class _Part:
    """What a run is made of."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    train: list[Example]
    val: list[Example]
    causal: bool
    pad_id: int
    eval_batch_size: int


def train(
    config: RunConfig,
    out_dir: Path,
    *,
    tracker: Tracker | None = None,
    resume: bool = True,
    evaluate: Evaluate | None = None,
) -> None:
    """Fine-tune as `config` says: config.json, manifest.json, model/, training_info.jsonl, val_split_metrics.jsonl.

    One line of training_info.jsonl per `logging_steps`; one of val_split_metrics.jsonl per epoch, 0 being the start:
    `eval/loss`, nats per reference token. The same call in the same directory goes on from the last checkpoint; with
    `save_strategy` "no" there is one after SIGTERM alone. Raises ConfigError for a configuration of another algorithm,
    RunError where the loss is not finite; SystemExit, once it has saved, after SIGTERM.
    """
    alg = config.alg
    if not isinstance(alg, SupervisedConfig):
        raise ConfigError(f'alg.id: "{alg.id}", expected "supervised".')
    settle_process(config.kernels, config.n_threads)  # of a program that called no command of ours
    out_dir.mkdir(parents=True, exist_ok=True)
    tracker = tracker or Tracker(out_dir)
    checkpoints = out_dir / "checkpoints"
    write_json(out_dir / "config.json", config.to_dict())
    embedding_rate = _embedding_rate(alg.training_args.get("optim_args"))
    part = _build(config, alg)
    arguments = _training_arguments(alg.training_args, checkpoints, config.seed)
    inputs = input_digests(local_inputs(config))
    write_json(out_dir / "manifest.json", build_manifest(seed=config.seed, device=str(arguments.device), inputs=inputs))
    use_cache = part.model.config.use_cache
    with Preemption() as preemption:
        trainer = ExactTrainer(
            model=part.model,
            args=arguments,
            data_collator=Collator(part.pad_id, causal=part.causal),
            train_dataset=part.train,
            callbacks=[_Follow(part, tracker, evaluate, preemption)],
            checkpoints=checkpoints,
            digest=run_digest(config),
            tracker=tracker,
            embedding_rate=embedding_rate,
        )
        trainer.remove_callback(PrinterCallback)  # it prints every log to stdout; the tracker has them
        trainer.run(resume)
    if evaluate is not None:
        evaluate(part.model.eval(), "test", _epoch(trainer.state))
    part.model.config.use_cache = use_cache  # the Trainer turned it off; generation would be slow for ever
    part.model.save_pretrained(out_dir / "model")
    save_tokenizer(part.tokenizer, out_dir / "model")


def _build(config: RunConfig, alg: SupervisedConfig) -> _Part:
    tokenizer = build_tokenizer(config.to_dict()["tokenizer"])
    causal = alg.model_type == "causal"
    model = load_language_model(alg.model_name, seq2seq=not causal)
    limit = context_length(tokenizer, model.config)

    def examples(split: str) -> list[Example]:
        prompts, references = pairs(_samples(config.datapool, split))
        if causal:
            return causal_examples(tokenizer, prompts, references, limit)
        return seq2seq_examples(tokenizer, prompts, references, config.tokenizer.max_length or limit, limit)

    return _Part(
        model=model,
        tokenizer=tokenizer,
        train=examples("train"),
        val=examples("val"),
        causal=causal,
        pad_id=int(tokenizer.pad_token_id),
        eval_batch_size=config.train_evaluation.eval_batch_size,
    )


def _samples(pool: ComponentConfig, split: str) -> Sequence[Sample]:
    samples = [sample for sample, _ in DataPoolRegistry.get(pool.id, {**pool.args, "split": split})]
    if not samples:
        raise DataError(f"datapool {pool.id}, split {split}: no samples; check its data and arguments.")
    return samples


def _training_arguments(given: Mapping[str, Any], checkpoints: Path, seed: int) -> TrainingArguments:
    """Raises ConfigError in transformers' own words for a value that it does not take."""
    arguments = {**_DEFAULTS, "dataloader_pin_memory": torch.cuda.is_available(), **given}
    seed = derive_seed(seed, "supervised") % 2**32  # of shuffling and dropout: the Trainer seeds every generator
    try:
        read = TrainingArguments(output_dir=str(checkpoints), seed=seed, **arguments)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"alg.training_args: {str(error).strip().splitlines()[0]}") from None
    if read.fp16 and read.device.type != "cuda":
        raise ConfigError(
            f"alg.training_args.fp16: on {read.device.type} transformers does not scale the loss, and small gradients "
            "are 0 in float16; leave it out, or use bf16."
        )
    return read


def _embedding_rate(optim_args: str | None) -> float | None:
    """X of `optim_args: embedding_learning_rate=X` (among others, by commas), an optional key of this project."""
    for pair in (optim_args or "").split(","):
        name, _, value = pair.partition("=")
        if name.strip() == "embedding_learning_rate":
            try:
                return float(value)
            except ValueError:
                raise ConfigError(
                    f'alg.training_args.optim_args: embedding_learning_rate "{value}", expected a number.'
                ) from None
    return None


def _epoch(state: TrainerState) -> int:
    """Epochs begun; a run that `max_steps` ends within an epoch counts it."""
    return math.ceil((state.epoch or 0.0) - 1e-6)


class _Follow(TrainerCallback):
    """Carries the Trainer's numbers to the tracker, takes the validation loss after each epoch, and obeys SIGTERM.

    What is to be saved at the last step of an epoch is saved once the epoch has been validated: a run that goes on from
    there starts with the next one.
    """

    def __init__(self, part: _Part, tracker: Tracker, evaluate: Evaluate | None, preemption: Preemption) -> None:
        self.part, self.tracker, self.evaluate, self.preemption = part, tracker, evaluate, preemption
        self._save_after_validation = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 0:
            self._validate(0)
            self._ask("test", 0)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        progress.phase("training")
        progress.steps(state.global_step, state.max_steps, "step")
        if self.preemption.requested:
            control.should_save = True
        ends_epoch = state.global_step >= state.max_steps or math.isclose(state.epoch, round(state.epoch), abs_tol=1e-9)
        if control.should_save and ends_epoch:
            control.should_save, self._save_after_validation = False, True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.preemption.requested and state.global_step < state.max_steps:
            self.tracker.log_info(f"SIGTERM: saved after step {state.global_step} of {state.max_steps}")
            self.preemption.leave()

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        step, logs = state.global_step, kwargs["logs"]
        if "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise RunError(f"step {step}: the loss is {logs['loss']}; lower alg.training_args.learning_rate.")
            progress.numbers({"loss": float(logs["loss"])})
            names = ("loss", "learning_rate", "grad_norm", "epoch")
            self.tracker.log_training(step, {f"train/{n}": float(logs[n]) for n in names if n in logs})
        elif "train_runtime" in logs:
            self.tracker.log_timing(step, {f"time/{n}": float(v) for n, v in logs.items() if n.startswith("train_")})

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._validate(_epoch(state))
        if self._save_after_validation or self.preemption.requested:
            control.should_save, self._save_after_validation = True, False

    def _validate(self, epoch: int) -> None:
        part = self.part
        progress.phase("validation loss")
        loss = target_loss(part.model, part.val, part.pad_id, causal=part.causal, batch_size=part.eval_batch_size)
        self.tracker.log_split_metrics("val", epoch, {"eval/loss": loss})
        self._ask("val", epoch)

    def _ask(self, split: str, epoch: int) -> None:
        """The caller's evaluation; what it draws from a global generator does not reach the training."""
        if self.evaluate is not None:
            with torch.random.fork_rng():
                self.evaluate(self.part.model.eval(), split, epoch)
            self.part.model.train()
