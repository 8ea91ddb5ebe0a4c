"""The text of a response: what it adds to the text of its prompt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def until_stop(ids: Sequence[int], stop_ids: Collection[int]) -> Sequence[int]:
    """The tokens up to and with the first stop token; all of them if there is none."""
    end = next((i for i, token in enumerate(ids) if token in stop_ids), len(ids) - 1)
    return ids[: end + 1]


class Continuation:
    """Turns responses to one prompt into text: the one decoding that rewards, environments and evaluation share.

    prompt_ids: the tokens that the model saw of its prompt. A response's text is what decoding prompt and response
    adds to decoding the prompt, by longest common prefix (docs/numerics.md, line 34), for a token may stand for other
    text at the beginning than after something: a Llama-style tokenizer loses the first space, WordPiece shows "##", and
    a byte may complete a character of the prompt. An encoder-decoder's response is a text of its own: its prompt_ids
    are left empty. stop_ids: a response's text ends before the first of these, also if an episode goes on after it
    (`terminate_on_eos: false`). Special tokens are skipped, and ids past the tokenizer's vocabulary (a model's padded
    embedding rows) have no text.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, prompt_ids: Sequence[int] = (), stop_ids: Collection[int] = ()
    ) -> None:
        self.tokenizer, self.prompt_ids, self.stop_ids = tokenizer, tuple(prompt_ids), frozenset(stop_ids)

    @cached_property
    def prompt_text(self) -> str:
        """The prompt as it is decoded, once, whatever the number of responses."""
        return self._decode(self.prompt_ids)

    def text(self, response_ids: Sequence[int]) -> str:
        """The text of a response."""
        kept = [token for token in until_stop(response_ids, self.stop_ids) if token not in self.stop_ids]
        whole = self._decode((*self.prompt_ids, *kept))
        before = self.prompt_text
        if whole.startswith(before):
            return whole[len(before) :]
        return whole[next(i for i, character in enumerate(before) if character != whole[i : i + 1]) :]

    def _decode(self, ids: Sequence[int]) -> str:
        if not ids:
            return ""
        known = len(self.tokenizer)
        kept = [i for i in ids if i < known]
        return str(self.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False))
