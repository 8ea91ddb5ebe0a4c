"""Checks, before any work, that a model has an embedding row for every id of its tokenizer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rl4lms.core.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ROLES = ("pad_token", "bos_token", "eos_token", "unk_token", "cls_token", "sep_token")
WAY_OUT = (
    "use the tokenizer that the model was trained with, or call model.resize_token_embeddings(len(tokenizer)) and save "
    "both"
)


def embedding_rows(model: Any) -> int:
    """The number of token ids that a model can read."""
    return int(model.get_input_embeddings().weight.shape[0])


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, n_rows: int, model_name: str) -> None:
    """Raises ConfigError for a token without an embedding row, such as an added [PAD].

    Some published tokenizers have special tokens without a role that their models lack. These are allowed here, because
    only a text that spells them out contains them; `check_ids` refuses such a text.
    """
    strange = tokens_beyond(tokenizer, n_rows)
    roles = {getattr(tokenizer, role): role for role in _ROLES}
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    wrong = sorted((i, token) for token, i in strange.items() if token in roles or token not in special)
    if wrong:
        (first, token), more = wrong[0], f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        role = f", its {roles[token]}," if token in roles else ""
        raise ConfigError(
            f'tokenizer {tokenizer.name_or_path}: "{token}"{role} has the id {first}{more}, but model {model_name} has '
            f"{n_rows} embedding rows; {WAY_OUT}."
        )


def check_ids(rows: Iterable[Iterable[int]], n_rows: int, tokenizer: PreTrainedTokenizerBase, model_name: str) -> None:
    """Raises ConfigError for the first text with an id that has no embedding row."""
    for number, row in enumerate(rows):
        largest = max(row, default=0)
        if largest >= n_rows:
            raise ConfigError(
                f'text {number}: it holds "{tokenizer.convert_ids_to_tokens(largest)}", the tokenizer\'s id {largest}, '
                f"but model {model_name} has {n_rows} embedding rows; {WAY_OUT}."
            )


def tokens_beyond(tokenizer: PreTrainedTokenizerBase, n_rows: int) -> dict[str, int]:
    """The tokens without an embedding row, with their ids."""
    return {token: i for token, i in tokenizer.get_vocab().items() if i >= n_rows}
