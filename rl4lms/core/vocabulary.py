"""Whether a tokenizer's ids are those of a model: asked once, before any work."""

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
    """Ids that a model can read."""
    return int(model.get_input_embeddings().weight.shape[0])


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, n_rows: int, model_name: str) -> None:
    """Raises ConfigError for a token without an embedding row, such as an added [PAD].

    Special tokens without a role, of which some published tokenizers have more than their models, are met only where a
    text spells them: there the text is refused.
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
    """Raises ConfigError for the first text with an id that the model has no embedding row for."""
    for number, row in enumerate(rows):
        largest = max(row, default=0)
        if largest >= n_rows:
            raise ConfigError(
                f'text {number}: it holds "{tokenizer.convert_ids_to_tokens(largest)}", the tokenizer\'s id {largest}, '
                f"but model {model_name} has {n_rows} embedding rows; {WAY_OUT}."
            )


def tokens_beyond(tokenizer: PreTrainedTokenizerBase, n_rows: int) -> dict[str, int]:
    """Tokens whose ids the model has no embedding row for."""
    return {token: i for token, i in tokenizer.get_vocab().items() if i >= n_rows}
