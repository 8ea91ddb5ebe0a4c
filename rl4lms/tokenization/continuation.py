"""The text of a response, which is the text that it adds to its prompt."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def until_stop(ids: Sequence[int], stop_ids: Collection[int]) -> Sequence[int]:
    """The tokens up to and including the first stop token, or all of them if there is none."""
    end = next((i for i, token in enumerate(ids) if token in stop_ids), len(ids) - 1)
    return ids[: end + 1]


@lru_cache(maxsize=8)
def _vocabulary_ids(tokenizer: PreTrainedTokenizerBase, n_tokens: int) -> frozenset[int]:
    """The ids of a tokenizer's tokens, among which may be gaps. n_tokens: its length, which changes with its tokens."""
    return frozenset(tokenizer.get_vocab().values())


class Continuation:
    """Turns responses to a prompt into text, in the same way for rewards, environments and evaluation.

    prompt_ids: the tokens of the prompt that the model saw, or () for an encoder-decoder, whose response is a separate
    text. The text of a response is what the decoded prompt and response add to the decoded prompt, by longest common
    prefix (docs/numerics.md, line 34). A response cannot be decoded without its prompt, because a Llama-style tokenizer
    would lose its first space, WordPiece would show "##", and its first byte may complete a character of the prompt.

    stop_ids: the text ends before the first of these, even if the episode continues (`terminate_on_eos: false`).
    stop_strings: it also ends before the one of these that is complete first.
    Special tokens have no text, and neither have ids that the tokenizer lacks (padding of a model's embedding).
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        prompt_ids: Sequence[int] = (),
        stop_ids: Collection[int] = (),
        stop_strings: Collection[str] = (),
    ) -> None:
        self.tokenizer, self.prompt_ids, self.stop_ids = tokenizer, tuple(prompt_ids), frozenset(stop_ids)
        self.stop_strings = tuple(stop_strings)

    @cached_property
    def prompt_text(self) -> str:
        """The decoded prompt, computed once for all responses."""
        return self._decode(self.prompt_ids)

    def text(self, response_ids: Sequence[int]) -> str:
        """The text of a response, up to a stop string."""
        text = self._added(response_ids)
        found = [(i + len(stop), i) for stop in self.stop_strings if (i := text.find(stop)) >= 0]
        return text[: min(found)[1]] if found else text

    def length(self, response_ids: Sequence[int]) -> int | None:
        """The number of tokens with which a stop string is complete; None if there is none in the response.

        A text keeps what it has when it grows, so the number is searched for by halves.
        """

        def is_complete(n: int) -> bool:
            text = self._added(response_ids[:n])
            return any(stop in text for stop in self.stop_strings)

        if not self.stop_strings or not is_complete(len(response_ids)):
            return None
        return bisect_left(range(1, len(response_ids)), True, key=is_complete) + 1

    def _added(self, response_ids: Sequence[int]) -> str:
        """What a response adds to the prompt's text."""
        kept = [token for token in until_stop(response_ids, self.stop_ids) if token not in self.stop_ids]
        whole = self._decode((*self.prompt_ids, *kept))
        before = self.prompt_text
        if whole.startswith(before):
            return whole[len(before) :]
        return whole[next(i for i, character in enumerate(before) if character != whole[i : i + 1]) :]

    def _decode(self, ids: Sequence[int]) -> str:
        if not ids:
            return ""
        known = _vocabulary_ids(self.tokenizer, len(self.tokenizer))
        kept = [i for i in ids if i in known]
        return str(self.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False))
