"""`alg.training_args` of a supervised run as transformers' TrainingArguments: checked, with this project's defaults."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl4lms.config.reader import Count, NonNegative, Positive, read
from rl4lms.core.errors import ConfigError, UserError
from rl4lms.core.pretrained import reason
from rl4lms.core.seeding import derive_seed

if TYPE_CHECKING:
    from transformers import TrainingArguments

PATH = "alg.training_args"

# What the published files leave out and this project decides; everything else is TrainingArguments' own default.
_DEFAULTS: dict[str, Any] = {
    "save_strategy": "steps",
    "save_steps": 0.1,  # of the run's
    "report_to": "none",  # the tracker reports
    "disable_tqdm": True,
    "logging_nan_inf_filter": False,  # a loss that is not finite ends the run; it is not averaged away
    "eval_strategy": "no",  # the validation loss is taken here, over reference tokens
}

# Bounds that transformers finds out about in the middle of a run, or never.
_BOUNDS: dict[str, Any] = {
    "per_device_train_batch_size": Count,
    "per_device_eval_batch_size": Count,
    "gradient_accumulation_steps": Count,
    "learning_rate": NonNegative,
    "weight_decay": NonNegative,
    "warmup_steps": NonNegative,
    "max_grad_norm": NonNegative,
}
# Bounds of what counts where its strategy is "steps" alone: argument -> the strategy, and its bound.
_INTERVALS = {"logging_steps": ("logging_strategy", Positive), "save_steps": ("save_strategy", NonNegative)}  # 0: never
_SCALARS = (bool, int, float, str, type(None))


def training_arguments(given: Mapping[str, Any], checkpoints: Path, seed: int) -> TrainingArguments:
    """Raises ConfigError in one line for a value that transformers does not take, or takes and fails on later."""
    import torch
    from transformers import TrainingArguments

    for name, kind in {**_kinds(TrainingArguments), **_bounds_of_what_is_on(given)}.items():
        if name in given:
            read(kind, given[name], f"{PATH}.{name}", "")
    arguments = {**_DEFAULTS, "dataloader_pin_memory": torch.cuda.is_available(), **given}
    seed = derive_seed(seed, "supervised") % 2**32  # of shuffling and dropout: the Trainer seeds every generator
    try:
        taken = TrainingArguments(output_dir=str(checkpoints), seed=seed, **arguments)
    except Exception as error:  # its checks raise what they like, and import packages on the way
        raise ConfigError(f"{PATH}: {reason(error)}.") from None
    if taken.fp16 and taken.device.type != "cuda":
        raise ConfigError(
            f"{PATH}.fp16: on {taken.device.type} transformers does not scale the loss, and small gradients are 0 in "
            "float16; leave it out, or use bf16."
        )
    return taken


def check_training_arguments(given: Mapping[str, Any], *, adapters: bool = False) -> None:
    """Raises ConfigError for arguments with which a run does not start: its optimiser and schedule are made, too."""
    import torch
    from transformers import Trainer, get_scheduler

    embedding_rate(given.get("optim_args"), adapters=adapters)
    arguments = training_arguments(given, Path("checkpoints"), 0)
    parameter = torch.nn.Parameter(torch.zeros(2, 2))
    try:
        optimizer_class, kwargs = Trainer.get_optimizer_cls_and_kwargs(arguments)
        optimizer = optimizer_class([parameter], **kwargs)
        steps = {"num_warmup_steps": arguments.get_warmup_steps(10), "num_training_steps": 10}
        special: Any = arguments.lr_scheduler_kwargs or {}
        get_scheduler(arguments.lr_scheduler_type, optimizer, scheduler_specific_kwargs=special, **steps)
    except UserError:
        raise
    except Exception as error:
        raise ConfigError(f"{PATH}: no optimiser and schedule of these ({reason(error)}).") from None


def embedding_rate(optim_args: str | None, *, adapters: bool) -> float | None:
    """X of `optim_args: embedding_learning_rate=X` (among others, by commas), an optional key of this project.

    adapters: only they are trained, so that X would have no effect, which is refused.
    """
    for pair in (optim_args or "").split(","):
        name, _, value = pair.partition("=")
        if name.strip() == "embedding_learning_rate":
            if adapters:
                raise ConfigError(
                    f"{PATH}.optim_args: embedding_learning_rate has no effect with alg.lora; leave it out."
                )
            try:
                return float(value)
            except ValueError:
                raise ConfigError(f'{PATH}.optim_args: embedding_learning_rate "{value}", expected a number.') from None
    return None


def _bounds_of_what_is_on(given: Mapping[str, Any]) -> dict[str, Any]:
    bounds = {name: bound for name, (strategy, bound) in _INTERVALS.items() if given.get(strategy, "steps") == "steps"}
    steps = given.get("max_steps", -1)
    return bounds if isinstance(steps, int) and steps > 0 else {**bounds, "num_train_epochs": Positive}


def _kinds(cls: type) -> dict[str, Any]:
    """Argument -> what it takes, of those that take scalars alone; the dataclass of transformers checks no type."""
    kinds = {}
    for name, hint in typing.get_type_hints(cls).items():
        members = typing.get_args(hint) or (hint,)
        if all(member in _SCALARS for member in members):
            kinds[name] = hint
    return {**kinds, **_BOUNDS}
