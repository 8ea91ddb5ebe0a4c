"""The cache that is written in place holds what transformers' own holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers.cache_utils import DynamicLayer

from rl4lms.policies.cache import decoding_cache, growing_layer
from tests.conftest import SEQ2SEQ, tiny_model


def states(length: int, seed: int, rows: int = 3) -> torch.Tensor:
    return torch.randn(rows, 2, length, 4, generator=torch.Generator().manual_seed(seed))


def test_it_holds_what_transformers_layer_holds() -> None:
    """A prompt, then token by token past the room that was left, with rows leaving on the way."""
    ours, theirs = growing_layer()(), DynamicLayer()
    assert ours.get_seq_length() == theirs.get_seq_length() == 0
    rows = 3
    for step in range(120):
        new = states(10 if step == 0 else 1, step, rows), states(10 if step == 0 else 1, 1000 + step, rows)
        for mine, own in zip(ours.update(*new), theirs.update(*new), strict=True):
            assert torch.equal(mine, own)
        assert ours.get_seq_length() == theirs.get_seq_length()
        if step == 60:
            for layer in (ours, theirs):
                layer.batch_select_indices(torch.tensor([2, 0]))
            rows = 2
            assert torch.equal(ours.keys, theirs.keys) and torch.equal(ours.values, theirs.values)


def test_appending_does_not_move_what_is_there() -> None:
    layer = growing_layer()(room=30)
    layer.update(states(10, 0), states(10, 1))
    before = layer.keys.data_ptr()
    for step in range(20):
        layer.update(states(1, step, rows := 3 if step <= 10 else 2), states(1, step, rows))
        if step == 10:
            kept = layer.keys[[0, 2]]
            layer.batch_select_indices(torch.tensor([0, 2]))
            assert torch.equal(layer.keys, kept)
    assert layer.keys.data_ptr() == before


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5", "bart"])
def test_plain_layers_are_replaced(family: str) -> None:
    cache = decoding_cache(tiny_model(family))
    layers = cache.self_attention_cache.layers if family in SEQ2SEQ else cache.layers
    assert len(layers) == 2 and all(type(layer) is growing_layer() for layer in layers)


@pytest.mark.slow
def test_importing_policies_and_trainer_does_not_import_transformers() -> None:
    """A run that is refused before a model is loaded does not pay for it."""
    code = "import sys, rl4lms.training.on_policy, rl4lms.policies.maskable; print('transformers' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert run.stdout == "False\n"
