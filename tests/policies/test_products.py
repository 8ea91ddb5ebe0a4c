"""Linear layers by oneDNN give what torch's give, gradients and their gradients included."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from transformers.pytorch_utils import Conv1D

from rl4lms.policies import products
from rl4lms.policies.language_models import load_language_model

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch is built without oneDNN"
)


@pytest.fixture(autouse=True)
def everywhere(monkeypatch):
    """Whatever the processor, and however small."""
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(products, "MIN_MULTIPLICATIONS", 0)


@pytest.fixture
def products_made(monkeypatch):
    """The number of products that oneDNN made."""
    made = []
    product = products._product
    monkeypatch.setattr(products, "_product", lambda *args: made.append(1) or product(*args))
    return made


def layers(kind: str) -> tuple[nn.Module, nn.Module]:
    """One of torch's or transformers' own, and the same by oneDNN."""
    torch.manual_seed(0)
    layer = {"bias": lambda: nn.Linear(24, 40), "no bias": lambda: nn.Linear(24, 40, bias=False),
             "conv1d": lambda: Conv1D(40, 24)}[kind]()  # fmt: skip
    return layer, products.multiply_by_onednn(nn.Sequential(copy.deepcopy(layer)))


def inputs() -> torch.Tensor:
    return torch.randn(3, 7, 24, generator=torch.Generator().manual_seed(1)).requires_grad_()


@pytest.mark.parametrize("kind", ["bias", "no bias", "conv1d"])
@pytest.mark.parametrize("frozen", [False, True])
def test_output_and_gradients(kind, frozen, products_made):
    found = []
    for layer in layers(kind):
        x = inputs()
        if frozen:
            for parameter in layer.parameters():
                parameter.requires_grad_(False)
        y = layer(x)
        y.sin().sum().backward()
        gradients = [parameter.grad for parameter in layer.parameters()]
        assert frozen or all(g.is_contiguous() for g in gradients)
        found.append([y, x.grad, *gradients])
    for theirs, ours in zip(*found, strict=True):
        assert_close(ours, theirs, rtol=0, atol=2e-5)
    assert len(products_made) == (2 if frozen else 3)


@pytest.mark.parametrize("kind", ["bias", "conv1d"])
def test_gradient_of_a_gradient(kind):
    """TRPO asks for products of the Fisher matrix."""
    found = []
    for layer in layers(kind):
        parameters = list(layer.parameters())
        first = torch.autograd.grad(layer(inputs()).sin().sum(), parameters, create_graph=True)
        found.append(torch.autograd.grad(sum(g.cos().sum() for g in first), parameters))
    for theirs, ours in zip(*found, strict=True):
        assert_close(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes_are_torchs(dtype, products_made):
    theirs, ours = (layer.to(dtype) for layer in layers("bias"))
    x = inputs().to(dtype)
    assert torch.equal(ours(x), theirs(x))
    assert not products_made


def test_small_products_are_torchs(products_made, monkeypatch):
    _, ours = layers("bias")
    monkeypatch.setattr(products, "MIN_MULTIPLICATIONS", 3 * 7 * 24 * 40 + 1)
    ours(inputs())
    assert not products_made
    monkeypatch.setattr(products, "MIN_MULTIPLICATIONS", 3 * 7 * 24 * 40)
    ours(inputs())
    assert products_made


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5"])
def test_a_loaded_model(family, model_dir, tmp_path, monkeypatch, products_made):
    """It gives the same logits, its copy has weights of its own, and it is saved and loaded as any other."""
    path, seq2seq = str(model_dir(family)), family == "t5"
    ours = load_language_model(path, seq2seq=seq2seq)
    monkeypatch.setattr(products, "onednn_is_faster", lambda: False)
    theirs = load_language_model(path, seq2seq=seq2seq)
    ids = torch.arange(4, 24).unsqueeze(0)
    batch = {"input_ids": ids} | ({"decoder_input_ids": ids[:, :5]} if seq2seq else {})
    assert_close(ours(**batch).logits, theirs(**batch).logits, rtol=0, atol=1e-5)
    assert products_made
    twin = copy.deepcopy(ours)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert_close(ours(**batch).logits, theirs(**batch).logits, rtol=0, atol=1e-5)
    ours.save_pretrained(tmp_path)
    again = load_language_model(str(tmp_path), seq2seq=seq2seq)
    assert torch.equal(again(**batch).logits, theirs(**batch).logits)
