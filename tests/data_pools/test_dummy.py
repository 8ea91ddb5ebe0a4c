from __future__ import annotations

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.core.tables import DataPoolRegistry


def test_published_arguments() -> None:
    pool = DataPoolRegistry.get("dummy_pool", {"split": "train", "prompt": "<|endoftext|>"})
    assert len(pool) == 100
    sample = pool[7][0]
    assert (sample.id, sample.prompt_or_input_text, sample.references) == ("train_7", "<|endoftext|>", [])
    assert len(DataPoolRegistry.get("dummy_pool", {"split": "test", "prompt": "x", "n_samples": 3})) == 3


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError, match='unknown split "validation"'):
        DataPoolRegistry.get("dummy_pool", {"split": "validation", "prompt": "x"})
    with pytest.raises(ConfigError, match="n_samples 0"):
        DataPoolRegistry.get("dummy_pool", {"split": "train", "prompt": "x", "n_samples": 0})
