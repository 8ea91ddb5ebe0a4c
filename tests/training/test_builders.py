from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rl4lms.config.schema import ComponentConfig
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.tables import DataPoolRegistry
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool
from rl4lms.tracking.tracker import Tracker
from rl4lms.training import supervised
from rl4lms.training.builders import build_reward, check_lengths
from rl4lms.training.on_policy import OnPolicyTrainer
from tests.conftest import tiny_model, word_tokenizer
from tests.training.test_on_policy import config
from tests.training.test_supervised import config as supervised_config


def test_a_reward_that_rests_on_a_corpus_gets_the_training_pools_references() -> None:
    pool = TextGenPool([Sample(str(i), "p", [text, "x"]) for i, text in enumerate(("a dog", "a cat", "a bird"))])
    reward = build_reward(ComponentConfig("metric_reward", {"metric": "cider"}), pool)
    assert not reward.needs_references
    assert reward.metric.labels()["lexical/cider"].endswith("IDF: the training pool (3 samples)")
    assert reward(["p"], ["a dog"], [["a dog"]], [True])[0] > 0
    assert build_reward(None, pool) is None


class Odd(TextGenPool):
    """A user's pool with one sample that is not right."""

    @classmethod
    def prepare(cls, split: str, prompt: Any) -> Odd:
        return cls([Sample("fine", "w4", ["w5"]), Sample("odd", prompt, ["w6"])])


@pytest.fixture(autouse=True)
def _pools(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("odd_pool", "echo"):  # "echo" is what the supervised configuration names before it is changed
        monkeypatch.setitem(DataPoolRegistry.table._entries, name, Odd)


def start_rl(model: Path, pool: dict[str, Any], **env: Any) -> None:
    value = config(model).to_dict() | {"datapool": pool}
    value["env"]["args"] |= env
    OnPolicyTrainer(type(config(model)).from_dict(value), model / "out", Tracker(model / "out", quiet=True))


def start_supervised(model: Path, pool: dict[str, Any], **_: Any) -> None:
    value = supervised_config(str(model), "gpt2").to_dict() | {"datapool": pool}
    supervised.train_supervised(
        type(config(model)).from_dict(value), model / "out", tracker=Tracker(model / "out", quiet=True)
    )


def saved(folder: Path, change: Callable[[Any], Any]) -> Path:
    tokenizer = word_tokenizer()
    change(tokenizer)
    tiny_model("gpt2").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("start", [start_rl, start_supervised])
@pytest.mark.parametrize("prompt", [None, 5, ["w4"]])
def test_a_pool_with_an_odd_sample_is_refused_before_work(start: Any, prompt: Any, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="datapool odd_pool, split train: item 1, sample 'odd': prompt_or_input_text is"
    ):
        start(saved(tmp_path, lambda _: None), {"id": "odd_pool", "args": {"prompt": prompt}})


@pytest.mark.parametrize("start", [start_rl, start_supervised])
def test_a_padding_token_without_a_row_is_refused_before_work(start: Any, tmp_path: Path) -> None:
    model = saved(tmp_path, lambda tokenizer: tokenizer.add_special_tokens({"pad_token": "[PAD]"}))
    with pytest.raises(ConfigError, match=r'"\[PAD\]", its pad_token, has the id 64, but model .* has 64 embedding'):
        start(model, {"id": "odd_pool", "args": {"prompt": "w4"}})


def test_a_prompt_that_does_not_fit_or_is_empty_is_refused_before_work(tmp_path: Path) -> None:
    def startless(tokenizer: Any) -> None:
        tokenizer.bos_token = tokenizer.eos_token = None

    with pytest.raises(DataError, match="sample odd: its prompt is empty"):
        start_rl(saved(tmp_path, startless), {"id": "odd_pool", "args": {"prompt": ""}})


def test_xlnets_and_tokenizers_ways_to_say_no_limit() -> None:
    from types import SimpleNamespace

    from transformers import RobertaConfig, T5Config, XLNetConfig

    from rl4lms.core.pretrained import longest_text, positions
    from rl4lms.metrics.classifier import longest_input

    endless, short = SimpleNamespace(model_max_length=int(1e30)), SimpleNamespace(model_max_length=64)
    assert XLNetConfig().max_position_embeddings == -1
    for unlimited in (XLNetConfig(), T5Config(n_positions=512)):
        assert positions(unlimited) is None
        assert (longest_text(unlimited, endless), longest_text(unlimited, short)) == (None, 64)
        assert (longest_input(unlimited, endless), longest_input(unlimited, short)) == (512, 64)
    roberta = RobertaConfig(max_position_embeddings=514, pad_token_id=1)
    assert (longest_text(roberta, endless), longest_input(roberta, endless), longest_input(roberta, short)) == (
        512,
        512,
        64,
    )
    check_lengths(XLNetConfig(), "xlnet", 3000, 3000)
