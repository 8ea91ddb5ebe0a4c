"""Rows of no published data set: a prompt in a column, references in others, and the rest for rewards and metrics.

One reader for files, the hub and the rows of a Python program (`rl4lms.train(data=...)`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any

from rl4lms.core.conversations import COLUMN, SAID, is_conversation, reading
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.dataset import DataSet, Hub, Row
from rl4lms.data_pools.sources import open_place
from rl4lms.data_pools.stored_samples import stored
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool

TARGETS = ("references", "reference", "target", "targets", "completion", "chosen")
PROMPTS = str, [SAID]  # a text or messages
ANSWERS = str, int, float, [(str, int, float, SAID)]  # one or several; a completion may be messages, too
_HIDDEN = {"prompts", "completions", "references"}  # what a plain function of a reward is given under these names

Path_ = Annotated[str, "A file, a folder with train, validation and test files, or the id of a data set on the hub."]
Name = Annotated[str | None, "Configuration of a data set on the hub."]
Revision = Annotated[str | None, "Commit, branch or tag of a data set on the hub."]
Splits = Annotated[
    Mapping[str, str] | None, "Its names of train, val and test on the hub, as {train: train_sft}; null finds them."
]
System = Annotated[str | None, "System message of every conversation that does not begin with one."]


@dataclass(frozen=True)
class Reader:
    """Which columns are what. prompt, references: names; None takes `messages` or `prompt`, and one of `TARGETS`.

    A prompt is a text, or messages; if the last of these is the assistant's, it is the reference unless another is
    given. chat: a text is what the user says. system: see `System`.
    """

    prompt: str | None = None
    references: tuple[str, ...] | None = None
    chat: bool = False
    system: str | None = None

    def sample(self, row: Row, name: str) -> Sample:
        """A row as a sample; `name` is its id unless it has a column `id`. Raises DataError, naming the column."""
        column = self._prompt_column(row)
        prompt, references, used = row.get(column), [], self._reference_columns(row)
        for each in used:
            references += _texts(row[each], each)
        meta = {str(key): value for key, value in row.items() if key not in (column, "id", *used)}
        if hidden := _HIDDEN & meta.keys():
            raise DataError(f'the column "{min(hidden)}" would hide another of that meaning; rename it.')
        if isinstance(prompt, str) and (self.chat or self.system is not None):
            prompt = [{"role": "user", "content": prompt}]
        if not isinstance(prompt, str):
            messages, last = self._conversation(prompt, column, row)
            prompt, meta = reading(messages), {**meta, COLUMN: messages}
            references = references or last
        return Sample(str(row.get("id", name)), str(prompt), references, meta or None)

    def key(self, row: Row) -> str:
        """Rows with equal keys have the same prompt, and are never put in two splits."""
        return self.sample(row, "").prompt_or_input_text

    def fault(self, row: Row) -> str | None:
        """What is wrong with a row, None for nothing."""
        try:
            self.sample(row, "")
        except DataError as error:
            return str(error).rstrip(".")
        return None

    def _prompt_column(self, row: Row) -> str:
        if self.prompt is not None:
            return self.prompt
        return COLUMN if COLUMN in row and ("prompt" not in row or is_conversation(row[COLUMN])) else "prompt"

    def _reference_columns(self, row: Row) -> Sequence[str]:
        if self.references is not None:
            return self.references
        used = [column for column in TARGETS if column in row]
        if len(used) > 1:
            raise DataError(f'the column "{used[1]}" would hide another of that meaning; rename it.')
        return used

    def _conversation(self, given: Any, column: str, row: Row) -> tuple[list[dict[str, Any]], list[str]]:
        """(messages up to the answer, the answer if it is there)."""
        if not is_conversation(given):
            found = type(given).__name__ if column in row else f"none among the columns {', '.join(map(str, row))}"
            raise DataError(f"{column} is {found}; expected a text, or messages, each {{role, content}}.")
        messages = [{key: value for key, value in message.items() if value is not None} for message in given]
        last = [messages.pop()["content"]] if messages[-1]["role"] == "assistant" else []
        if not messages:
            raise DataError(f"{column}: nothing is said before the assistant's turn; expected a user's.")
        if messages[-1]["role"] == "assistant":
            raise DataError(f"{column}: it ends in two turns of the assistant; expected one, which is the answer.")
        if self.system is not None and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": self.system})
        return messages, last


def _texts(value: Any, column: str) -> list[Any]:
    """References of a cell: none, one or several, or the last turn of messages. A number becomes its text."""
    if value is None:
        return []
    if is_conversation(value):
        if value[-1]["role"] != "assistant":
            raise DataError(f"{column}: its last message is of the {value[-1]['role']}, expected the assistant's.")
        return [value[-1]["content"]]
    many = [value] if isinstance(value, str | Mapping) or not hasattr(value, "__iter__") else list(value)
    return [str(each) if type(each) in (int, float) else each for each in many]


class Columns(TextGenPool):
    """Plain columns by name: `{id: columns, args: {path: ..., prompt: question, references: [answer]}}`."""

    @classmethod
    def prepare(
        cls,
        split: str,
        path: Path_,
        prompt: Annotated[str, "Column of the prompt: a text, or messages."] = "prompt",
        references: Annotated[list[str] | str | None, "Columns of reference texts, or of lists of them."] = None,
        chat: Annotated[bool, "The prompt is what a user says to a chat model."] = False,
        system: System = None,
        name: Name = None,
        revision: Revision = None,
        splits: Splits = None,
        n_rows: int | None = None,
    ) -> TextGenPool:
        """Every other column goes to rewards and metrics, by its name. n_rows: rows to read; None reads all."""
        answers = (references,) if isinstance(references, str) else tuple(references or ())
        if prompt in answers:
            raise ConfigError(f"datapool columns: {prompt} is the prompt and a reference; expected another column.")
        shape = {prompt: PROMPTS, **dict.fromkeys(answers, ANSWERS)}
        reader = Reader(prompt, answers, chat, system)
        return cls(_samples(reader, shape, frozenset(), split, Hub(path, name, revision, names=splits or {}), n_rows))


class MessagesPool(TextGenPool):
    """The hub's conversational format: `messages`, or `prompt` with `completion`, `chosen` or `references`."""

    @classmethod
    def prepare(
        cls,
        split: str,
        path: Path_,
        system: System = None,
        name: Name = None,
        revision: Revision = None,
        splits: Splits = None,
        n_rows: int | None = None,
    ) -> TextGenPool:
        """The last turn of the assistant is the reference. Every other column goes to rewards and metrics.

        n_rows: rows to read; None reads all.
        """
        shape = {COLUMN: [SAID], "prompt": PROMPTS, **dict.fromkeys(TARGETS, ANSWERS)}
        reader = Reader(chat=True, system=system)
        return cls(
            _samples(reader, shape, frozenset(shape), split, Hub(path, name, revision, names=splits or {}), n_rows)
        )


def _samples(
    reader: Reader, shape: Mapping[str, Any], optional: frozenset[str], split: str, hub: Hub, n_rows: int | None
) -> Sequence[Sample]:
    dataset = DataSet("samples", shape, key=reader.key, hub=hub, optional=optional, check=reader.fault, open=True)
    rows = islice(open_place(hub).stream(dataset, split), n_rows)
    return stored(reader.sample(row, f"{split}_{i}") for i, row in enumerate(rows))
