"""Kernels and waits of a decoded token, counted as they are dispatched, and its CPU time.

    python -m benchmarks.decoding [--model gpt2|t5|llama] [--rows 16] [--tokens 48] [--width 64]

Random weights at real depth (gpt2: 12 layers, t5: 12 + 12, llama: 16), nothing compiled; counts depend on depth alone.
A kernel is a dispatched operation that computes: no view, no allocation. A wait is one whose result the host reads: a
tensor as a number or a truth, or indices whose number depends on values; on a GPU everything queued is waited for.
Tokens are those of the longest row. Prompts are ragged, and rows end at one token in a hundred.
"""

from __future__ import annotations

import os

from rl4lms.core.kernels import environment

os.environ.update(environment(n_threads=1))  # as a stage computes

import argparse
import functools
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from rl4lms.policies.decoding import Decoded, decode
from rl4lms.policies.language_models import fuse_gelu
from rl4lms.policies.truncation import SamplingSpec

PROMPT, VOCAB, N_STOPS = 32, 50257, 500
MODELS = ("gpt2", "t5", "llama")
SETTINGS: dict[str, dict[str, Any]] = {
    "sampled": {},
    "sampled, to the last token": {"stop_on_eos": False},
    "temperature 0.7": {"temperature": 0.7},
    "greedy": {"do_sample": False},
    "top-k 50": {"top_k": 50},
    "top-p 0.9": {"top_p": 0.9},
}
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "unique_consecutive", "is_nonzero"}
READS = {Tensor.tolist, Tensor.cpu}  # and numpy, which never has a GPU's
# Neither a kernel: what only allocates, and a number that the host makes.
FREE = {"empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided", "scalar_tensor", "lift_fresh", *WAITS}


def build(kind: str, width: int = 64, vocab_size: int = VOCAB) -> Any:
    """A model of the family's real depth, of random weights."""
    import transformers as tf

    torch.manual_seed(0)
    tokens: dict[str, Any] = {"vocab_size": vocab_size, "bos_token_id": 1, "eos_token_id": 1}
    if kind == "gpt2":
        return fuse_gelu(tf.GPT2LMHeadModel(tf.GPT2Config(**tokens, n_embd=width, n_layer=12, n_head=4)).eval())
    if kind == "llama":
        sizes: dict[str, Any] = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": 16}
        return tf.LlamaForCausalLM(
            tf.LlamaConfig(**tokens, **sizes, num_attention_heads=4, num_key_value_heads=2)
        ).eval()
    shape: dict[str, Any] = {"d_model": width, "d_kv": width // 4, "d_ff": 4 * width, "num_layers": 12, "num_heads": 4}
    config = tf.T5Config(**tokens, **shape, decoder_start_token_id=0, pad_token_id=0)
    return tf.T5ForConditionalGeneration(config).eval()


def decoding(model: Any, n_rows: int, n_tokens: int, settings: Mapping[str, Any]) -> Callable[[], Decoded]:
    """A call that continues n_rows ragged prompts by n_tokens tokens."""
    generator = torch.Generator().manual_seed(0)
    vocab_size = model.config.vocab_size
    ids = torch.randint(N_STOPS, vocab_size, (n_rows, PROMPT), generator=generator)
    mask = torch.arange(PROMPT) >= torch.randint(0, PROMPT // 2, (n_rows, 1), generator=generator)
    uniforms = torch.rand(n_rows, n_tokens, generator=generator, dtype=torch.float64)
    spec = SamplingSpec(n_tokens, **settings)
    stop_ids = range(vocab_size // 100)
    return lambda: decode(model, ids.where(mask, 0), mask, spec, eos_id=stop_ids, pad_id=0, uniforms=uniforms)


class Count(TorchDispatchMode):
    """Kernels in the forwards of a model and outside them, and waits in both, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.outside, self.waits = Counter[str](), Counter[str](), Counter[str]()
        self._depth = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, computes = _kind(func)
        if name in WAITS or (name in ("index", "index_put", "index_put_") and _by_truth(args[1])):
            self.waits[name] += 1
        if computes:
            (self.model if self._depth else self.outside)[name] += 1
        return func(*args, **(kwargs or {}))

    @contextmanager
    def watching(self, *modules: nn.Module) -> Iterator[Count]:
        """Count in this context; what is dispatched in the forward of one of these modules is the model's."""

        def step(by: int) -> Callable[..., None]:
            def hook(*_: Any) -> None:
                self._depth += by

            return hook

        hooks = [m.register_forward_pre_hook(step(1)) for m in modules]
        hooks += [m.register_forward_hook(step(-1)) for m in modules]
        try:
            with _Reads(self.waits), self:
                yield self
        finally:
            for each in hooks:
                each.remove()


class _Reads(TorchFunctionMode):
    """Counts what reads a tensor without an operation that is dispatched on a CPU."""

    def __init__(self, waits: Counter[str]) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in READS:
            self.waits[func.__name__] += 1
        return func(*args, **(kwargs or {}))


def _by_truth(indices: Sequence[Tensor | None]) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)


@functools.cache
def _kind(func: Any) -> tuple[str, bool]:
    """The name of an operation, and whether it is a kernel."""
    name: str = func.overloadpacket.__name__
    view = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)
    return name, name not in FREE and not view


def count(model: Any, run: Callable[[], Decoded]) -> tuple[Count, int]:
    """What one run dispatches, and the tokens of its longest row."""
    encoder = [model.get_encoder()] if model.config.is_encoder_decoder else []
    with Count().watching(model, *encoder) as counted:
        decoded = run()
    return counted, decoded.response_ids.shape[1]


def cpu_seconds(run: Callable[[], Any], repeats: int = 5) -> float:
    def once() -> float:
        start = time.process_time()
        run()
        return time.process_time() - start

    once()
    return statistics.median(once() for _ in range(repeats))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, action="append")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--names", action="store_true", help="the kernels outside the model and the waits, by name")
    args = parser.parse_args(argv)
    print("| model | decoding | tokens | waits a token | kernels outside the model | in the model | CPU ms a token |")
    print("|" + "---|" * 7)
    for kind in args.model or MODELS:
        model = build(kind, args.width)
        for name, settings in SETTINGS.items():
            run = decoding(model, args.rows, args.tokens, settings)
            counted, n = count(model, run)
            outside, own = (c.total() / n for c in (counted.outside, counted.model))
            ms = 1e3 * cpu_seconds(run) / n
            waits = counted.waits.total() / n
            print(f"| {kind} | {name} | {n} | {waits:.2f} | {outside:.1f} | {own:.0f} | {ms:.1f} |", flush=True)
            if args.names:
                for what, counter in (("waits", counted.waits), ("outside", counted.outside)):
                    print(f"  {what}: " + ", ".join(f"{k} {v / n:.2f}" for k, v in counter.most_common()))


if __name__ == "__main__":
    main()
