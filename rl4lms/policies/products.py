"""Matrix products by oneDNN where that is the faster of torch's two libraries.

torch multiplies float32 matrices by MKL, which takes AVX2 on AMD's processors whatever they have; with AVX-512 there,
oneDNN's are about 8 % faster from some size on, below which its call costs more than it saves.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

MIN_MULTIPLICATIONS = 2**24  # a product of 0.3 ms


@functools.cache
def onednn_is_faster() -> bool:
    """Whether this is a processor that it was measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    return (
        cpuinfo.exists()
        and "AuthenticAMD" in cpuinfo.read_text(encoding="utf-8", errors="replace")
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def multiply_by_onednn(model: Any) -> Any:
    """The model's linear layers as ones whose large products are oneDNN's, in place, where that is faster."""
    from transformers.pytorch_utils import Conv1D

    if onednn_is_faster():
        kinds = {nn.Linear: OneDNNLinear, Conv1D: _onednn_conv1d()}
        for module in model.modules():
            if kind := kinds.get(type(module)):
                module.__class__ = kind
    return model


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
    """`torch.nn.functional.linear`, or None where it should be torch's: small, of another dtype or device."""
    small = math.prod(x.shape[:-1]) * weight.numel() < MIN_MULTIPLICATIONS
    if small or x.device.type != "cpu" or not x.dtype == weight.dtype == torch.float32:
        return None
    rows = x.reshape(-1, x.shape[-1])
    needed = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, weight, bias))
    product: Tensor = _Linear.apply(rows, weight, bias) if needed else _product(rows, weight, bias)
    return product.view(*x.shape[:-1], weight.shape[0])


def _product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a (N, K) times the transpose of b (M, K)."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")
    return product


class _Linear(torch.autograd.Function):
    """x (N, K), weight (M, K), bias (M,) or None."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        twice = torch.is_grad_enabled()  # a gradient of this gradient will be asked for
        product: Callable[[Tensor, Tensor], Tensor] = nn.functional.linear if twice else _product
        in_rows = weight.is_contiguous()  # laid out as the weight is: its accumulation copies any other
        return (
            product(grad, weight.t()) if of_x else None,
            (product(grad.t(), x.t()) if in_rows else product(x.t(), grad.t()).t()) if of_weight else None,
            grad.sum(0) if of_bias else None,
        )


class OneDNNLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        product = linear(x, self.weight, self.bias)
        return super().forward(x) if product is None else product


@functools.cache
def _onednn_conv1d() -> type[nn.Module]:
    """Of GPT-2's layer, whose weight is (K, M). transformers is imported when a model is made of it."""
    from transformers.pytorch_utils import Conv1D

    class OneDNNConv1D(Conv1D):
        def forward(self, x: Tensor) -> Tensor:
            product = linear(x, self.weight.t(), self.bias)
            return super().forward(x) if product is None else product

    return OneDNNConv1D
