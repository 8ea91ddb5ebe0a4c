"""Fingerprints of what the suite computes, by operation and shape, with portable kernels on one thread:

    python -m tests.golden.kernels                      writes those of this CPU's maker into tests/golden/kernels.json

Inputs are whole numbers over a power of two, made without a kernel of torch. Recorded with torch 2.13.0 on an AMD EPYC,
family 25, model 1, which has AVX2 and no AVX-512, and on an Intel Xeon, family 6, model 207, which has both.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rl4lms.core.io import read_json, write_json
from rl4lms.core.kernels import cpu_name, environment
from rl4lms.results.reexecution import cpu_maker

os.environ.update(environment(n_threads=1))

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

FILE = Path(__file__).with_suffix(".json")
ROWS, WIDTH = 768, 128  # of GPT-2: 8 blocks of 96 tokens
# Products of the suite's models, (rows, inputs, outputs): training, one token of a rollout, the value head.
PRODUCTS = [
    (ROWS, WIDTH, 3 * WIDTH), (ROWS, WIDTH, WIDTH), (ROWS, WIDTH, 4 * WIDTH), (ROWS, 4 * WIDTH, WIDTH),
    (ROWS, WIDTH, 2048), (726, WIDTH, 4096), (704, WIDTH, 2 * WIDTH), (16, WIDTH, 3 * WIDTH), (16, WIDTH, 2048),
    (1, WIDTH, WIDTH), (97, WIDTH, 1), (33, 64, 32),
]  # fmt: skip
# Attention of GPT-2 and T5, (batch, heads, queries, keys, width of a head): training, and a cached step.
ATTENTIONS = [(8, 4, 96, 96, 32), (16, 4, 1, 41, 32), (22, 2, 33, 33, 64), (22, 2, 33, 32, 64), (16, 2, 1, 20, 64)]


def numbers(*shape: int, seed: int = 0, scale: int = 12) -> Tensor:
    """About -2 to 2, 13 bits of mantissa."""
    draws = np.random.Generator(np.random.PCG64(seed)).integers(-(2**13), 2**13, shape)
    return torch.from_numpy(np.asarray(draws, dtype=np.float32)) / 2.0**scale


def gradients(function: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, ...]:
    """The result, and the gradients of its products with fixed numbers."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    out = function(*leaves)
    return out, *torch.autograd.grad(out, leaves, numbers(*out.shape, seed=9, scale=14))


def attention(batch: int, heads: int, queries: int, keys: int, width: int) -> Any:
    q, k, v = (numbers(batch, n, heads, width, seed=i).transpose(1, 2) for i, n in enumerate((queries, keys, keys)))
    causal = queries == keys
    return gradients(lambda *x: F.scaled_dot_product_attention(*x, is_causal=causal), q, k, v)


def biased_attention() -> Any:
    """T5's, whose mask is its position bias."""
    q, k, v = (numbers(22, 2, 33, 64, seed=i) for i in range(3))
    bias = numbers(1, 2, 33, 33, seed=4)
    return gradients(lambda *x: F.scaled_dot_product_attention(*x, attn_mask=bias, scale=1.0), q, k, v)


def optimiser_step() -> Tensor:
    weight = nn.Parameter(numbers(WIDTH, 4 * WIDTH))
    optimiser = torch.optim.AdamW([weight], lr=1e-3, weight_decay=0.01, fused=True)
    for step in range(3):
        weight.grad = numbers(WIDTH, 4 * WIDTH, seed=step + 1, scale=16)
        nn.utils.clip_grad_norm_([weight], 1.0)
        optimiser.step()
    return weight.detach()


def operations() -> Mapping[str, Callable[[], Any]]:
    x, wide, logits = numbers(ROWS, WIDTH), numbers(ROWS, 4 * WIDTH), numbers(64, 2048, scale=10)
    ids = torch.from_numpy(np.random.Generator(np.random.PCG64(3)).integers(0, 2048, (8, 96)))
    products = {
        f"linear {n} x {i} x {o}": lambda n=n, i=i, o=o: gradients(
            F.linear, numbers(n, i), numbers(o, i, seed=1), numbers(o, seed=2)
        )
        for n, i, o in PRODUCTS
    }
    attentions = {f"attention {' x '.join(map(str, shape))}": lambda s=shape: attention(*s) for shape in ATTENTIONS}
    return {
        **products,
        "addmm": lambda: gradients(torch.addmm, numbers(3 * WIDTH, seed=2), x, numbers(WIDTH, 3 * WIDTH, seed=1)),
        "bmm": lambda: gradients(torch.bmm, numbers(44, 33, 64), numbers(44, 64, 32, seed=1)),
        "bfloat16": lambda: F.linear(x.bfloat16(), numbers(3 * WIDTH, WIDTH, seed=1).bfloat16()).float(),
        **attentions,
        "attention with a bias": biased_attention,
        "softmax": lambda: gradients(lambda y: torch.softmax(y, -1), logits),
        "log softmax": lambda: gradients(lambda y: torch.log_softmax(y, -1), logits),
        "cumulative sum in float64": lambda: torch.softmax(logits.double(), -1).cumsum(-1),
        "cross entropy": lambda: gradients(lambda y: F.cross_entropy(y, ids.flatten()[:64]), logits),
        "layer norm": lambda: gradients(
            lambda y, w, b: F.layer_norm(y, (WIDTH,), w, b), x, numbers(WIDTH, seed=1), numbers(WIDTH, seed=2)
        ),
        "T5's norm": lambda: gradients(lambda y: y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6), x),
        "gelu": lambda: gradients(lambda y: F.gelu(y, approximate="tanh"), wide),
        "gelu of BERT": lambda: gradients(F.gelu, wide),
        "exp": lambda: wide.exp(),
        "log": lambda: (wide.abs() + 1).log(),
        "tanh": lambda: wide.tanh(),
        "sigmoid": lambda: wide.sigmoid(),
        "square root": lambda: wide.abs().sqrt(),
        "sums": lambda: (wide.sum(), wide.sum(0), wide.sum(1), wide.mean(), wide.double().sum()),
        "standard deviations": lambda: (wide.std(), wide.std(0), wide.var(1, correction=0)),
        "norm": lambda: torch.linalg.vector_norm(wide),
        "embedding": lambda: gradients(lambda w: F.embedding(ids, w), numbers(2048, WIDTH)),
        "normal numbers": lambda: torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(0)),
        "uniform numbers": lambda: torch.rand(WIDTH, WIDTH, generator=torch.Generator().manual_seed(0)),
        "AdamW": optimiser_step,
    }


def fingerprint(result: Tensor | tuple[Tensor, ...]) -> str:
    parts = result if isinstance(result, tuple) else (result,)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def recorded() -> dict[str, dict[str, str]]:
    """Maker of a CPU -> operation -> fingerprint."""
    found: dict[str, dict[str, str]] = read_json(FILE)
    return found


def main() -> None:
    write_json(
        FILE, recorded() | {cpu_maker(cpu_name()): {name: fingerprint(run()) for name, run in operations().items()}}
    )


if __name__ == "__main__":
    main()
