from __future__ import annotations

from pathlib import Path

import pytest

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.tasks.cnn_dailymail.pool import CNNDailyMail

from .conftest import ROWS, Write


def test_prefix_suffix_and_max_size(write: Write) -> None:
    rows = [ROWS["cnn_dailymail"](i) for i in range(4)]
    data_dir = str(write(train=rows, val=rows, test=rows))
    pool = CNNDailyMail.prepare("train", " TL;DR:", "Summarize: ", max_size=2, data_dir=data_dir)
    assert len(pool) == 2
    sample = pool[1][0]
    assert sample.prompt_or_input_text == "Summarize: Article 1. TL;DR:"
    assert (sample.id, sample.references, sample.meta_data) == ("train_1", ["News 1."], None)
    assert CNNDailyMail.prepare("test", data_dir=data_dir)[0][0].prompt_or_input_text == "Article 0."
    with pytest.raises(ConfigError, match="max_size 0"):
        CNNDailyMail.prepare("test", max_size=0, data_dir=data_dir)


def test_truncation_counts_nltk_tokens(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk.tokenize

    rows = [ROWS["cnn_dailymail"](0)]
    data_dir = str(write(train=rows, val=rows, test=rows))

    def without_model(text: str) -> list[str]:
        raise LookupError

    monkeypatch.setattr(nltk.tokenize, "word_tokenize", without_model)
    with pytest.raises(DataError, match="punkt_tab"):
        CNNDailyMail.prepare("train", truncate_article=2, data_dir=data_dir)
    monkeypatch.setattr(nltk.tokenize, "word_tokenize", lambda text: text.replace(".", " .").split())
    pool = CNNDailyMail.prepare("train", truncate_article=2, prompt_prefix="Summarize: ", data_dir=data_dir)
    assert pool[0][0].prompt_or_input_text == "Summarize: Article 0"


def test_real_articles(shared_data: Path) -> None:
    pool = CNNDailyMail.prepare("val", prompt_prefix="Summarize: ", data_dir=str(shared_data))
    assert len(pool) == 10
    assert pool[0][0].prompt_or_input_text.startswith("Summarize: Chelsea's early season form")
