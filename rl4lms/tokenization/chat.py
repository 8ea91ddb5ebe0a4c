"""Chat templates: how a tokenizer writes a conversation down, and which tokens end a turn in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rl4lms.core.conversations import Messages, Prompt, reading
from rl4lms.core.errors import ConfigError, DataError, one_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CONTENT = "the-content-of-a-turn"  # found again in what a template makes of it
_LLAMAS_DATE = "26 Jul 2024"  # Llama 3's templates write today's date, or this if there is no clock


def choose_template(tokenizer: PreTrainedTokenizerBase, choice: str) -> None:
    """Give a tokenizer the template of `tokenizer.chat_template`: "auto" its own, "none" none, else that of a file.

    It is saved with the tokenizer. Raises ConfigError for a file that is none or no chat template.
    """
    if choice == "auto":
        return
    if choice == "none":
        tokenizer.chat_template = None
        return
    try:
        tokenizer.chat_template = Path(choice).read_text(encoding="utf-8")
        rendered(tokenizer, [{"role": "user", "content": "Hello"}])
    except (OSError, UnicodeDecodeError, DataError) as error:
        raise ConfigError(
            f"tokenizer.chat_template: {choice}: {one_line(str(error), 200).rstrip('.')}; expected auto, none or a "
            "file with a Jinja chat template."
        ) from None


def has_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    return bool(getattr(tokenizer, "chat_template", None))


def rendered(tokenizer: PreTrainedTokenizerBase, messages: Messages, *, answer: bool = True) -> str:
    """The conversation as the template writes it, special tokens included.

    answer: with the beginning of an assistant's turn after it. Raises DataError for messages that the template refuses,
    as some do a system message or two turns of one role.
    """
    given = [dict(message) for message in messages]
    try:
        return str(
            tokenizer.apply_chat_template(given, tokenize=False, add_generation_prompt=answer, date_string=_LLAMAS_DATE)
        )
    except Exception as error:  # a template is a program: whatever it raises is its word on the messages
        roles = ", ".join(str(message["role"]) for message in messages)
        raise DataError(f"the chat template refuses a conversation of {roles} ({one_line(str(error), 200)}).") from None


def prompt_text(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> str:
    """The text that a model reads: a prompt itself, a conversation by the template, or as it reads without one."""
    if isinstance(prompt, str):
        return prompt
    return rendered(tokenizer, prompt) if has_template(tokenizer) else reading(prompt)


def by_template(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> bool:
    """Whether the template writes this prompt, which then has its special tokens already."""
    return not isinstance(prompt, str) and has_template(tokenizer)


def encode_conversation(
    tokenizer: PreTrainedTokenizerBase, messages: Messages, max_length: int, truncation_side: str = "left"
) -> list[int]:
    """The token ids of a conversation by the template, which writes all special tokens, bos included.

    Of one that is too long a bos token at its start is kept, and all that comes after the content of its last turn: the
    end of that turn and the beginning of the answer. Raises ConfigError if there is no room for these.
    """

    def encode(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    text = rendered(tokenizer, messages)
    ids = encode(text)
    if len(ids) <= max_length:
        return ids
    start = [i for i in ids[:1] if i == tokenizer.bos_token_id]
    found = rendered(tokenizer, [*messages[:-1], {**messages[-1], "content": _CONTENT}]).rpartition(_CONTENT)
    end = encode(found[2]) if found[1] else []
    if len(start) + len(end) >= max_length:
        raise ConfigError(
            f"max_prompt_length: {max_length} tokens, but the chat template alone ends a prompt with {len(end)}; "
            "allow more."
        )
    if truncation_side == "left":
        return [*start, *ids[len(ids) - max_length + len(start) :]]
    return [*encode(text[: len(text) - len(found[2])])[: max_length - len(end)], *end]


def turn_ends(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The token with which the template ends an assistant's turn, if it is one of the tokenizer's added tokens."""
    if not has_template(tokenizer):
        return ()
    said = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": _CONTENT}]
    try:
        end = rendered(tokenizer, said, answer=False).rpartition(_CONTENT)[2]
    except DataError:  # a template of one turn
        return ()
    ids = tokenizer(end, add_special_tokens=False, verbose=False)["input_ids"]
    return tuple(i for i in ids if i in tokenizer.added_tokens_decoder)[:1]
