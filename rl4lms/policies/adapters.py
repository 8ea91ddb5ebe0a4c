"""LoRA adapters of peft, on the modules that a configuration names or that suit the model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl4lms.core.errors import ConfigError
from rl4lms.core.io import give_usual_modes, read_json, write_json

POLICY_LORA, SUPERVISED_LORA = "alg.policy.args.lora", "alg.lora"  # where a configuration says them


def lora_arguments(lora: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    """Arguments of `peft.LoraConfig`. Without target_modules they are peft's for the model's type.

    Where the installed peft has none (Phi-3, OLMo 2, Qwen3-MoE), all linear modules but the head are adapted.
    """
    from peft import utils

    default = utils.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING.get(model_type, "all-linear")
    return {"target_modules": default, **{name: value for name, value in lora.items() if value is not None}}


def with_adapters(model: Any, lora: Mapping[str, Any], *, seq2seq: bool | None, key: str = POLICY_LORA) -> Any:
    """The model with adapters, a `PeftModel`. seq2seq: the kind of language model, None for one without a head.

    key: of the configuration, in errors. Raises ConfigError where peft is not installed, and for arguments that it
    refuses.
    """
    try:
        from peft import LoraConfig, TaskType, get_peft_model
    except ImportError:
        raise ConfigError(f"{key}: needs the peft package; pip install 'rl4lms-grue[peft]'.") from None
    kind = {None: None, True: TaskType.SEQ_2_SEQ_LM, False: TaskType.CAUSAL_LM}[seq2seq]
    try:
        arguments = lora_arguments(lora, model.config.model_type)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="fan_in_fan_out")  # peft says that it has mended it
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")  # peft asks by an old name
            return get_peft_model(model, LoraConfig(task_type=kind, **arguments))
    except (ValueError, TypeError) as error:  # for example unknown target modules, or a wrong number
        raise ConfigError(f"{key}: {' '.join(str(error).split())}") from None


def save_adapter(model: Any, directory: Path) -> None:
    """Save a model's adapters as peft does, the same bytes each time, and without its empty card."""
    model.save_pretrained(directory, save_embedding_layers=False)  # it would ask the hub for their size
    (directory / "README.md").unlink(missing_ok=True)
    path = directory / "adapter_config.json"
    config = read_json(path)
    targets = config["target_modules"]
    write_json(path, {**config, "target_modules": sorted(targets) if isinstance(targets, list) else targets})
    give_usual_modes(directory)
