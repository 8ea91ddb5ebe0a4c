"""Supervised fine-tuning, the warm start of RL, with the `Trainer` of Hugging Face on prompts and references."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import PrinterCallback, TrainerCallback
from transformers.trainer_callback import TrainerState

from rl4lms.config.schema import RunConfig, SupervisedConfig
from rl4lms.core import progress
from rl4lms.core.errors import ConfigError, RunError
from rl4lms.core.io import write_json
from rl4lms.core.kernels import settle_process
from rl4lms.core.manifest import build_manifest
from rl4lms.core.pretrained import longest_text, positions
from rl4lms.core.seeding import seed_everything
from rl4lms.core.vocabulary import check_ids, check_vocabulary, embedding_rows
from rl4lms.policies.adapters import SUPERVISED_LORA, with_adapters
from rl4lms.policies.language_models import load_language_model
from rl4lms.tokenization.tokenizer import build_tokenizer
from rl4lms.tracking.tracker import Tracker
from rl4lms.training.exact_trainer import ExactTrainer
from rl4lms.training.hub import check_push, push_model
from rl4lms.training.identity import RunIdentity
from rl4lms.training.one_decoding import with_token_facts
from rl4lms.training.pools import Pools
from rl4lms.training.preemption import Preemption
from rl4lms.training.saving import save_model
from rl4lms.training.split_evaluation import SplitEvaluation
from rl4lms.training.supervised_data import (
    Collator,
    Example,
    causal_examples,
    prompts_and_references,
    seq2seq_examples,
    target_loss,
)
from rl4lms.training.trainer_arguments import embedding_rate, training_arguments

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class _Part:
    """The parts of a supervised run."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    train: list[Example]
    val: list[Example]
    causal: bool
    pad_id: int
    eval_batch_size: int
    eval_every: int
    splits: SplitEvaluation


def train_supervised(
    config: RunConfig, out_dir: Path, *, tracker: Tracker | None = None, identity: RunIdentity | None = None
) -> None:
    """Fine-tune as `config` says. Writes config.json, manifest.json, model/ and the files of the tracker.

    training_info.jsonl gets a line per `logging_steps` and one at the end, val_split_metrics.jsonl one at the start and
    per `eval_every` epochs, with `eval/loss`, in nats per reference token, and the metrics. The metrics also score the
    test split at the start and at the end. Adapters (`alg.lora`) are merged into model/, and lie beside it in adapter/.
    The same call in the same directory continues from the newest checkpoint; with `save_strategy` "no" only SIGTERM
    writes one. Raises ConfigError for a configuration of another algorithm, and RunError if the loss
    is not finite. After SIGTERM it saves a checkpoint and raises SystemExit.
    """
    alg = config.alg
    if not isinstance(alg, SupervisedConfig):
        raise ConfigError(f'alg.id: "{alg.id}", expected "supervised".')
    check_push(config.push_to_hub)
    settle_process(config.kernels, config.n_threads)  # a command has done so, but not another program
    out_dir.mkdir(parents=True, exist_ok=True)
    tracker = tracker or Tracker(out_dir)
    checkpoints = out_dir / "checkpoints"
    identity = identity or RunIdentity(config)
    asked, config = config, with_token_facts(config, build_tokenizer(config.to_dict()["tokenizer"]))
    for notice in config.notices[len(asked.notices) :]:
        tracker.log_info(notice)
    alg = config.alg
    assert isinstance(alg, SupervisedConfig)
    write_json(out_dir / "config.json", config.to_dict())
    rate = embedding_rate(alg.training_args.get("optim_args"), adapters=alg.lora is not None)
    part = _build(config, alg, identity.pools, tracker)
    arguments = training_arguments(alg.training_args, checkpoints, config.seed)
    manifest = build_manifest(seed=config.seed, device=str(arguments.device), inputs=identity.inputs)
    write_json(out_dir / "manifest.json", manifest)
    use_cache = part.model.config.use_cache
    with Preemption() as preemption:
        trainer = ExactTrainer(
            model=part.model,
            args=arguments,
            data_collator=Collator(part.pad_id, causal=part.causal),
            train_dataset=part.train,
            callbacks=[_Follow(part, tracker, preemption)],
            checkpoints=checkpoints,
            digest=identity.digest,
            tracker=tracker,
            embedding_rate=rate,
        )
        trainer.remove_callback(PrinterCallback)  # it prints all logs to stdout, and the tracker has them already
        trainer.run()
    part.model.config.use_cache = use_cache  # the Trainer turned it off, which would make the saved model slow
    _score_test(part, tracker, _epoch(trainer.state))
    save_model(part.model, part.tokenizer, config, out_dir)
    push_model(config.push_to_hub, out_dir / "model")


def _build(config: RunConfig, alg: SupervisedConfig, pools: Pools, tracker: Tracker) -> _Part:
    tokenizer = build_tokenizer(config.to_dict()["tokenizer"])
    causal = alg.model_type == "causal"
    model = load_language_model(alg.model_name, seq2seq=not causal)
    n_rows = embedding_rows(model)
    check_vocabulary(tokenizer, n_rows, alg.model_name)
    limit = longest_text(model.config, tokenizer) or sys.maxsize
    max_source = config.tokenizer.max_length or limit
    if max_source > (most := positions(model.config) or max_source):
        raise ConfigError(
            f"tokenizer.max_length: {max_source} tokens, but model {alg.model_name} has {most} positions."
        )
    evaluation = config.train_evaluation
    splits = SplitEvaluation(
        pools,
        evaluation.metrics,
        tokenizer,
        tracker,
        batch_size=evaluation.eval_batch_size,
        seed=config.seed,
        max_samples=evaluation.max_samples,
        prompt_truncation_side=config.tokenizer.truncation_side,
        **_decoding(config, alg, limit),
    )

    def examples(split: str) -> list[Example]:
        samples = splits.samples(split) if split == "val" else [sample for sample, _ in pools[split]]
        prompts, references = prompts_and_references(samples)
        if causal:
            made = causal_examples(tokenizer, prompts, references, limit)
        else:
            made = seq2seq_examples(tokenizer, prompts, references, max_source, limit)
        check_ids((row["input_ids"] + row["labels"] for row in made), n_rows, tokenizer, alg.model_name)
        return made

    if (lora := alg.peft_arguments()) is not None:
        seed_everything(config.seed)  # adapters begin with random numbers
        model = with_adapters(model, lora, seq2seq=not causal, key=SUPERVISED_LORA)
    return _Part(
        model=model,
        tokenizer=tokenizer,
        train=examples("train"),
        val=examples("val"),
        causal=causal,
        pad_id=int(tokenizer.pad_token_id),
        eval_batch_size=evaluation.eval_batch_size,
        eval_every=evaluation.eval_every or 1,
        splits=splits,
    )


def _decoding(config: RunConfig, alg: SupervisedConfig, limit: int) -> dict[str, Any]:
    """The arguments `generation` and `max_prompt_length` of an evaluation; none if nothing is generated.

    limit: the length of the context, in tokens. As in RL4LMs, a prompt of a causal model is cut to the room that the
    response leaves.
    """
    generation = config.train_evaluation.generation_kwargs or alg.generation_kwargs
    if generation is None or generation.max_new_tokens is None:
        return {}
    length = config.tokenizer.max_length or limit
    if alg.model_type == "causal":
        length = min(length, limit - generation.max_new_tokens)
    if length < 1:
        raise ConfigError(
            f"alg.generation_kwargs.max_new_tokens: {generation.max_new_tokens} leave no room for a prompt in the "
            f"{limit} positions of model {alg.model_name}; generate fewer."
        )
    return {"generation": generation, "max_prompt_length": length}


def _score_test(part: _Part, tracker: Tracker, epoch: int) -> None:
    result = part.splits.score(part.model, "test", epoch)
    if result is not None:
        tracker.log_split_metrics("test", epoch, result.metrics)


def _epoch(state: TrainerState) -> int:
    """The number of epochs, counting one that `max_steps` ends early."""
    return math.ceil((state.epoch or 0.0) - 1e-6)


class _Follow(TrainerCallback):
    """Logs the Trainer's numbers, validates after each epoch, and ends the run after SIGTERM.

    A checkpoint that is due at the last step of an epoch is saved after the validation, because a run that resumes from
    it starts with the next epoch.
    """

    def __init__(self, part: _Part, tracker: Tracker, preemption: Preemption) -> None:
        self.part, self.tracker, self.preemption = part, tracker, preemption
        self._save_after_validation = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 0:
            self._validate(0)
            _score_test(self.part, self.tracker, 0)
            self.part.model.train()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        progress.phase("training")
        progress.steps(state.global_step, state.max_steps, "step")
        last = state.global_step >= state.max_steps
        control.should_log |= last  # also of a run with fewer steps than logging_steps
        control.should_save |= self.preemption.requested
        ends_epoch = last or math.isclose(state.epoch, round(state.epoch), abs_tol=1e-9)
        if control.should_save and ends_epoch:
            control.should_save, self._save_after_validation = False, True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.preemption.requested and state.global_step < state.max_steps:
            done = f"step {state.global_step} of {state.max_steps}"
            self.tracker.log_info(f"{self.preemption.reason}: saved after {done}")
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
        epoch = _epoch(state)
        if epoch % self.part.eval_every == 0 or state.global_step >= state.max_steps:
            self._validate(epoch)
        if self._save_after_validation or self.preemption.requested:
            control.should_save, self._save_after_validation = True, False

    def _validate(self, epoch: int) -> None:
        part = self.part
        progress.phase("validation loss")
        loss = target_loss(part.model, part.val, part.pad_id, causal=part.causal, batch_size=part.eval_batch_size)
        result = part.splits.score(part.model, "val", epoch)
        scores = {} if result is None else result.metrics
        self.tracker.log_split_metrics("val", epoch, {"eval/loss": loss, **scores})
        part.model.train()
