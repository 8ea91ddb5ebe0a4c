"""Saves what a run has trained: a model, its tokenizer and its card, in the form of the Hugging Face hub."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl4lms.config.schema import RunConfig
from rl4lms.core.io import give_usual_modes
from rl4lms.policies.adapters import save_adapter
from rl4lms.tokenization.tokenizer import save_tokenizer
from rl4lms.training.model_card import write_model_card

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def save_model(
    model: Any, tokenizer: PreTrainedTokenizerBase, config: RunConfig, out_dir: Path, name: str = "model"
) -> None:
    """Save a language model in the directory `name` of a run.

    Adapters are merged into it; as peft saves them they lie beside it, in adapter/ (best_adapter/). Under the name
    "model" the given model itself is merged, for training is over.
    """
    if hasattr(model, "merge_and_unload"):
        save_adapter(model, out_dir / name.replace("model", "adapter"))
        model = (model if name == "model" else copy.deepcopy(model)).merge_and_unload()
    model.save_pretrained(out_dir / name)
    save_tokenizer(tokenizer, out_dir / name)
    write_model_card(out_dir, config, name)
    give_usual_modes(out_dir / name)
