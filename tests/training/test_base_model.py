from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rl4lms.core.errors import ConfigError, DataError, RunError
from rl4lms.core.io import write_jsonl
from rl4lms.tokenization.tokenizer import load_tokenizer
from rl4lms.training.base_model import BaseModelSettings, train_base_model
from rl4lms.training.fitting import Optimisation, build_optimizer, fit
from rl4lms.training.lm_data import (
    IGNORE,
    Denoising,
    balanced,
    bucket,
    causal_batches,
    denoising_batches,
    pack,
    pad_pairs,
    read_documents,
)
from tests.conftest import tiny_model

FILES = ["config.json", "model.safetensors", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
OBJECTIVE = Denoising(0.15, 3.0, 0.0, tuple(range(900, 932)), eos_id=1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_packing_puts_one_eos_after_each_document():
    assert pack([[5, 6], [7]], 0, 2).tolist() == [[5, 6], [0, 7]]
    with pytest.raises(DataError, match="5 tokens of text do not fill one block of 6"):
        pack([[5, 6], [7]], 0, 6)


def test_an_epoch_holds_as_much_of_every_task():
    groups = [[[1] * 10] * 5, [[2] * 10] * 50]
    tasks = [document[0] for document in balanced(groups, rng())]
    assert tasks.count(1) == tasks.count(2) == 5


@pytest.mark.parametrize("length", [4, 5, 17, 96])
def test_corruption_can_be_undone_by_its_sentinels(length):
    """Source with every sentinel replaced by what the target holds there is the text again."""
    piece = list(range(10, 10 + length))
    source, target = OBJECTIVE.corruption(piece, rng(length))
    assert target == [*piece, 1] and source[-1] == 1
    sentinels = [token for token in source if token >= 900]
    assert sentinels == list(range(900, 900 + len(sentinels))) and sentinels
    kept = [token for token in source if token < 900]
    assert kept == [token for token in target if token in set(kept)]
    assert len(kept) - 1 == length - max(round(length * 0.15), 1)


def test_spans_are_apart_and_of_the_asked_density():
    for seed in range(50):
        spans = list(OBJECTIVE._spans(96, rng(seed)))
        assert sum(dropped for _, dropped in spans) == round(96 * 0.15)
        assert len(spans) == 5 and all(kept >= 1 and dropped >= 1 for kept, dropped in spans)


def test_continuation_shows_the_beginning_and_asks_for_the_rest():
    assert OBJECTIVE.continuation([7, 8, 9], 1) == ([7, 1], [8, 9, 1])


def test_buckets_hold_every_row_once_within_their_limit():
    lengths = rng().integers(1, 40, size=200).tolist()
    batches = bucket(lengths, rng(1), max_tokens=100, max_rows=16)
    assert sorted(itertools.chain(*batches)) == list(range(200))
    assert all(len(b) == 1 or max(lengths[i] for i in b) * len(b) <= 100 for b in batches)
    assert max(map(len, batches)) <= 16


def test_padding_carries_no_label_even_where_pad_is_a_real_id():
    batch = pad_pairs([([5, 1], [0, 1]), ([6, 7, 1], [8, 9, 1])], pad_id=0)
    assert batch["labels"].tolist() == [[0, 1, IGNORE], [8, 9, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]


def test_batches_depend_on_their_keys_alone():
    groups = [[list(range(i, i + 9)) for i in range(4, 40)]]
    for make in (
        lambda seed: causal_batches(groups, 0, 8, 2, seed, "x"),
        lambda seed: denoising_batches(groups, OBJECTIVE, 0, 8, 4, seed, "x"),
    ):
        one, same, other = ([b["labels"].tolist() for b in itertools.islice(make(s), 30)] for s in (0, 0, 1))
        assert one == same and one != other


def test_the_rate_warms_up_decays_and_is_never_zero():
    settings = Optimisation(n_steps=10, learning_rate=1.0, warmup_steps=3)
    factors = [settings.factor(step) for step in range(10)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[3:] == sorted(factors[3:], reverse=True) and factors[-1] > 0


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_optimiser_groups_partition_the_parameters(family):
    model = tiny_model(family)
    settings = Optimisation(1, 1e-3, weight_decay=0.1, embedding_learning_rate=0.5)
    groups = build_optimizer(model, settings).param_groups
    ids = [id(p) for g in groups for p in g["params"]]
    assert len(ids) == len(set(ids)) and set(ids) == {id(p) for p in model.parameters()}
    for group in groups:
        for p in group["params"]:
            assert (group["weight_decay"] > 0) is (p.ndim >= 2)
    assert groups[0]["params"][0] is model.get_input_embeddings().weight and groups[0]["lr"] == 0.5


def test_fitting_learns_and_a_broken_loss_ends_it():
    model = tiny_model("gpt2")
    ids = torch.randint(4, 60, (2, 12), generator=torch.Generator().manual_seed(0))
    batch = {"input_ids": ids, "labels": ids}
    losses = fit(model, itertools.repeat(batch), Optimisation(40, 3e-3))
    assert losses[-1] < 0.5 * losses[0] and not model.training
    with torch.no_grad():
        model.get_input_embeddings().weight.fill_(math.nan)
    with pytest.raises(RunError, match="step 0: the loss is nan"):
        fit(model, itertools.repeat(batch), Optimisation(1, 1e-3))


def test_the_two_sides_of_a_translation_are_two_documents(tmp_path):
    write_jsonl(tmp_path / "t.jsonl", [{"translation": {"en": "a dog", "de": "ein Hund"}}])
    assert read_documents("iwslt2017", tmp_path / "t.jsonl") == ["a dog", "ein Hund"]


def test_a_row_of_another_task_is_named(tmp_path):
    write_jsonl(tmp_path / "t.jsonl", [{"text": "fine", "label": 1}, {"label": 0}])
    with pytest.raises(DataError, match=r"t\.jsonl, row 2: not a row of imdb"):
        read_documents("imdb", tmp_path / "t.jsonl")
    write_jsonl(tmp_path / "t.jsonl", [{"text": "fine", "label": 1}, {"text": 5, "label": 0}])
    with pytest.raises(
        DataError, match=r"t\.jsonl, row 2: not a row of imdb \(column text: expected text, found int\)"
    ):
        read_documents("imdb", tmp_path / "t.jsonl")
    with pytest.raises(ConfigError, match='Did you mean "imdb"'):
        read_documents("imbd", tmp_path / "t.jsonl")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    words = ["dog", "cat", "bird", "sees", "hears", "the", "a", "old"]
    draw = rng(3)

    def text() -> str:
        return " ".join(words[i] for i in draw.integers(0, len(words), size=9))

    for split in ("train", "validation"):
        write_jsonl(tmp_path / "imdb" / f"{split}.jsonl", [{"text": text(), "label": 1} for _ in range(40)])
        rows = [{"translation": {"en": text(), "de": text()}} for _ in range(40)]
        write_jsonl(tmp_path / "iwslt2017" / f"{split}.jsonl", rows)
    return tmp_path


def params(family: str) -> dict[str, Any]:
    numbers = {"n_steps": 6, "batch_size": 4, "block_size": 16, "learning_rate": 3e-3, "seed": 0}
    if family == "gpt2":
        architecture = {"n_layer": 1, "n_embd": 16, "n_head": 2, "n_positions": 32}
        return _params("causal", ["imdb"], architecture, numbers)
    architecture = {"num_layers": 1, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_heads": 2}
    return _params("seq2seq", ["iwslt2017"], architecture, numbers)


def _params(kind: str, tasks: list[str], architecture: dict[str, int], training: dict[str, Any]) -> dict[str, Any]:
    tokenizer = {"vocab_size": 310}
    return {"type": kind, "tasks": tasks, "tokenizer": tokenizer, "architecture": architecture, "training": training}


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_equal_inputs_give_equal_bytes(tmp_path, data, family):
    for name in ("a", "b"):
        torch.manual_seed(len(name) if name == "a" else 99)  # the global generator has no say
        train_base_model(BaseModelSettings.from_params(family, params(family)), data, tmp_path / name)
    for file in [*FILES, "metrics.json"]:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert metrics["heldout_perplexity"] > 1 and metrics["heldout_tokens"] > 0
    generation = json.loads((tmp_path / "a" / "generation_config.json").read_text())
    tokenizer = load_tokenizer(str(tmp_path / "a"))
    assert generation["eos_token_id"] == tokenizer.eos_token_id
    assert generation["pad_token_id"] == tokenizer.pad_token_id


def test_another_seed_gives_another_model(tmp_path, data):
    for seed in (0, 1):
        changed = params("gpt2")
        changed["training"]["seed"] = seed
        train_base_model(BaseModelSettings.from_params("gpt2", changed), data, tmp_path / str(seed))
    assert (tmp_path / "0" / FILES[1]).read_bytes() != (tmp_path / "1" / FILES[1]).read_bytes()


def test_a_named_model_is_taken_unchanged(tmp_path, data):
    train_base_model(BaseModelSettings.from_params("gpt2", params("gpt2")), data, tmp_path / "own")
    named = {"type": "causal", "tasks": ["imdb"], "model_name": str(tmp_path / "own")}
    train_base_model(BaseModelSettings.from_params("gpt2", named), data, tmp_path / "copy")
    assert (tmp_path / "copy" / FILES[1]).read_bytes() == (tmp_path / "own" / FILES[1]).read_bytes()
    own, copy = (json.loads((tmp_path / d / "metrics.json").read_text()) for d in ("own", "copy"))
    assert copy["heldout_perplexity"] == own["heldout_perplexity"]


def test_an_unknown_architecture_key_is_refused_and_nothing_is_written(tmp_path, data):
    wrong = params("gpt2")
    wrong["architecture"]["n_layers"] = 2
    with pytest.raises(ConfigError, match=r'gpt2\.architecture: unknown key "n_layers"\. Did you mean "n_layer"'):
        train_base_model(BaseModelSettings.from_params("gpt2", wrong), data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_blocks_longer_than_the_context_are_refused(tmp_path, data):
    wrong = params("gpt2")
    wrong["training"]["block_size"] = 64
    with pytest.raises(ConfigError, match=r"gpt2\.training\.block_size: 64, expected at most .*n_positions 32"):
        train_base_model(BaseModelSettings.from_params("gpt2", wrong), data, tmp_path / "out")
