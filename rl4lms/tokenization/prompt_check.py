"""Checks, before any work, that every prompt can be encoded for a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rl4lms.core.conversations import prompt_of
from rl4lms.core.errors import DataError
from rl4lms.core.vocabulary import WAY_OUT, tokens_beyond
from rl4lms.tokenization.chat import has_template, prompt_text
from rl4lms.tokenization.observation import SampleLike, encode_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def check_prompts(
    tokenizer: PreTrainedTokenizerBase, samples: Iterable[SampleLike], n_rows: int, max_length: int
) -> None:
    """Raises ConfigError if no prompt can fit, and DataError for the first sample whose prompt cannot be encoded.

    So it is with a conversation that the chat template refuses.
    """
    encode_prompts(tokenizer, ["a b c d"], max_length)
    strange = tokens_beyond(tokenizer, n_rows)
    startless = tokenizer.bos_token_id is None and tokenizer.eos_token_id is None
    if not strange and not startless and not has_template(tokenizer):
        return
    for sample in samples:
        try:
            prompt = prompt_text(tokenizer, prompt_of(sample))
        except DataError as error:
            raise DataError(f"sample {_name(sample)}: {error}") from None
        held = next((token for token in strange if token in prompt), None)
        if held is not None:
            raise DataError(
                f'sample {_name(sample)}: its prompt holds "{held}", the tokenizer\'s id {strange[held]}, but the '
                f"model has {n_rows} embedding rows; {WAY_OUT}, or take it out of the prompt."
            )
        if startless and not tokenizer(prompt, verbose=False)["input_ids"]:
            raise DataError(
                f"sample {_name(sample)}: its prompt is empty, and the tokenizer has neither a bos nor an eos token "
                "for the model to start from; give it a prompt, or a bos token in tokenizer_config.json."
            )


def _name(sample: Any) -> str:
    return str(getattr(sample, "id", "without an id"))
