"""Ids that a model has no embedding row for are refused before any work: they ended in an IndexError in its middle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.core.vocabulary import check_ids, check_vocabulary
from rl4lms.evaluation.generation import TextGenerator
from rl4lms.metrics.classifier import TextClassifier
from rl4lms.metrics.perplexity import Perplexity
from tests.conftest import VOCAB, tiny_model, word_tokenizer
from tests.metrics.conftest import save_classifier


def padded() -> Any:
    """As GPT-2's tokenizer after `add_special_tokens({"pad_token": "[PAD]"})`."""
    tokenizer = word_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    return tokenizer


def test_tokens_that_will_be_met_need_a_row() -> None:
    check_vocabulary(word_tokenizer(), VOCAB, "m")
    check_vocabulary(padded(), VOCAB + 1, "m")
    with pytest.raises(
        ConfigError, match=r'"\[PAD\]", its pad_token, has the id 64, but model m has 64 embedding rows'
    ):
        check_vocabulary(padded(), VOCAB, "m")
    with pytest.raises(
        ConfigError, match='"w60" has the id 60 and 3 more, but model m has 60 .*resize_token_embeddings'
    ):
        check_vocabulary(word_tokenizer(), 60, "m")
    added = word_tokenizer()
    added.add_tokens(["<new>"])
    with pytest.raises(ConfigError, match='"<new>" has the id 64'):
        check_vocabulary(added, VOCAB, "m")


def test_a_special_token_without_a_role_is_refused_where_a_text_spells_it() -> None:
    """Gemma's text models have no row for their tokenizer's image token."""
    tokenizer = word_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    check_vocabulary(tokenizer, VOCAB, "m")
    rows = tokenizer(["w4 w5", "w4 <image>"]).input_ids
    check_ids(rows[:1], VOCAB, tokenizer, "m")
    with pytest.raises(ConfigError, match='text 1: it holds "<image>", the tokenizer\'s id 64, but model m has 64'):
        check_ids(rows, VOCAB, tokenizer, "m")


def test_who_asks(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path)
    padded().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r'"\[PAD\]", its pad_token'):
        TextClassifier(folder, "cpu")
    model = tiny_model("gpt2")
    with pytest.raises(ConfigError, match=r'"\[PAD\]", its pad_token'):
        TextGenerator(model, padded(), generation={"max_new_tokens": 2}, max_prompt_length=4, batch_size=2)
    for texts in ("references", "generations"):
        metric = Perplexity(stride=4, tokenizer_id=folder, texts=texts)
        with pytest.raises(ConfigError, match=r'text 0: it holds "\[PAD\]"'):
            metric.compute(["w4 "], ["w5 [PAD]"], [["w4 [PAD]"]], model=model)
