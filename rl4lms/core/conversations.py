"""Prompts that are conversations: lists of messages, each {"role": ..., "content": ...}.

A sample of one has the messages in its `meta_data` and, as its text, how they read. The text is what rewards, metrics
and files show; the messages are what a chat template is applied to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

Messages = Sequence[Mapping[str, Any]]
Prompt = str | Messages
COLUMN = "messages"  # of `meta_data`
SAID = {"role": str, "content": str}  # what a message has at least


def reading(messages: Messages) -> str:
    """The turns as text, up to the word after which the answer begins: "User: Hello\\nAssistant:"."""
    turns = [f"{message['role'].capitalize()}: {message['content']}" for message in messages]
    return "\n".join([*turns, "Assistant:"])


def is_conversation(value: Any) -> TypeGuard[Messages]:
    """Whether a value is a list of one or more messages."""
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(m, Mapping) and all(isinstance(m.get(k), kind) for k, kind in SAID.items()) for m in value)
    )


def prompt_of(sample: Any) -> Prompt:
    """What of a sample a model reads: its messages if its text is how they read, else its text."""
    text: str = sample.prompt_or_input_text
    meta_data = sample.meta_data
    messages = meta_data.get(COLUMN) if isinstance(meta_data, Mapping) else None
    return messages if is_conversation(messages) and reading(messages) == text else text
