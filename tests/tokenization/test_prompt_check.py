"""Prompts that cannot be encoded are refused before any work, in one line that names the sample."""

from __future__ import annotations

from typing import Any

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.tokenization.observation import encode_prompts
from rl4lms.tokenization.prompt_check import check_prompts
from tests.conftest import VOCAB, word_tokenizer


def framed() -> Any:
    """A tokenizer that puts two tokens around a text."""
    from tokenizers import processors

    tokenizer = word_tokenizer()
    frame = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    tokenizer.backend_tokenizer.post_processor = frame
    return tokenizer


def startless() -> Any:
    tokenizer = word_tokenizer()
    tokenizer.bos_token = tokenizer.eos_token = None
    return tokenizer


def samples(*prompts: str) -> list[Sample]:
    return [Sample(f"s{i}", prompt, []) for i, prompt in enumerate(prompts)]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("length", range(1, 10))
def test_a_prompt_has_at_most_its_length(side: str, length: int) -> None:
    """tokenizers keeps the whole text where there is no room for what it adds: 6 tokens of 1."""
    prompts = ["w4 w5 w6 w7", "", "w4"]
    for tokenizer, n_added in ((word_tokenizer(), 0), (word_tokenizer(add_bos=True), 1), (framed(), 2)):
        if length < n_added:
            with pytest.raises(ConfigError, match="max_prompt_length: 1 tokens, but tokenizer .* no fewer than 2"):
                encode_prompts(tokenizer, prompts, length, side)
            with pytest.raises(ConfigError, match="max_prompt_length: 1 tokens"):
                check_prompts(tokenizer, samples("w4"), VOCAB, length)
        else:
            found = [len(row) for row in encode_prompts(tokenizer, prompts, length, side)]
            assert found == [min(max(n + n_added, 1), length) for n in (4, 0, 1)]


def test_an_empty_prompt_needs_a_token_to_start_from() -> None:
    tokenizer = startless()
    check_prompts(tokenizer, samples("w4", "w5"), VOCAB, 4)
    check_prompts(word_tokenizer(), samples("w4", ""), VOCAB, 4)
    with pytest.raises(DataError, match="sample s1: its prompt is empty, and the tokenizer has neither a bos nor"):
        check_prompts(tokenizer, samples("w4", "", "w5"), VOCAB, 4)
    with pytest.raises(DataError, match="prompt 1 is empty"):
        encode_prompts(tokenizer, ["w4", ""], 4)


def test_a_prompt_with_a_token_beyond_the_models_rows_is_named() -> None:
    tokenizer = word_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<EOU>"]})
    check_prompts(tokenizer, samples("w4 <EOU>"), VOCAB + 1, 4)
    with pytest.raises(
        DataError, match=r'sample s1: its prompt holds "<EOU>", .* id 64, but the model has 64 embedding'
    ):
        check_prompts(tokenizer, samples("w4", "w5 <EOU>"), VOCAB, 4)
