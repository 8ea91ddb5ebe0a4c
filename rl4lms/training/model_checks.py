"""Checks a run against its model's configuration, before the weights are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rl4lms.core.errors import ConfigError
from rl4lms.core.pretrained import from_pretrained, positions

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def model_config(name: str, trust_remote_code: bool = False) -> PreTrainedConfig:
    """Load a model's configuration by directory or hub id. Raises ConfigError if there is none."""
    from transformers import AutoConfig

    config: PreTrainedConfig = from_pretrained(AutoConfig, name, "model", trust_remote_code=trust_remote_code)
    return config


def check_lengths(
    model: PreTrainedConfig, name: str, max_prompt_length: int, max_length: int,
    key: str = "env.args.max_episode_length",
) -> None:  # fmt: skip
    """Raises ConfigError if prompt and response exceed the model's positions. key: the key path of `max_length`."""
    limit = positions(model)
    if limit is None:
        return
    if model.is_encoder_decoder:
        for each, length in (("env.args.max_prompt_length", max_prompt_length), (key, max_length)):
            if length > limit:
                raise ConfigError(f"{each}: {length} tokens, but model {name} has {limit} positions.")
    elif max_prompt_length + max_length > limit:
        section, _, last = key.rpartition(".")
        raise ConfigError(
            f"{section}: max_prompt_length {max_prompt_length} + {last} {max_length} tokens do not "
            f"fit the {limit} positions of model {name}; shorten one of them."
        )


def check_kind(model: PreTrainedConfig, name: str, seq2seq: bool, key: str) -> None:
    """Raises ConfigError if the model is an encoder-decoder and a causal one is expected, or the other way round."""
    if bool(model.is_encoder_decoder) != seq2seq:
        found = "an encoder-decoder" if model.is_encoder_decoder else "a causal model"
        raise ConfigError(f"{key}: {name} is {found} ({model.model_type}); choose its sibling for those.")


def check_weights(name: str) -> None:
    """Raises ConfigError if a local directory has no safetensors file."""
    if not list(Path(name).glob("*.safetensors")):
        raise ConfigError(f"{name}: no weights there (*.safetensors); save the model again with model.save_pretrained.")
