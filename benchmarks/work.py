"""The benchmarks' models and tokenizer, and the rate they are compared at: torch and transformers, nothing of ours.

TRL's worker runs this in an environment of its own.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from typing import Any

import torch

PROMPT = {"gpt2": 32, "t5": 64}
RESPONSE, VOCAB, N_EPOCHS, N_PROMPTS = 48, 2048, 5, 256


@dataclass(frozen=True)
class Groups:
    """An iteration of an algorithm that compares completions of a prompt, in one optimiser step an epoch."""

    n_prompts: int = 8
    completions_per_prompt: int = 4
    prompt: int = 256
    n_epochs: int = 1
    clip_range: float = 0.2
    kl_coeff: float = 0.04


GROUPS = Groups()


def share_of_even_words(text: str) -> float:
    """A reward that costs nothing."""
    return sum(int(w[1:]) % 2 == 0 for w in text.split() if w[1:].isdigit()) / RESPONSE


def word_tokenizer(vocab_size: int, pad_id: int = 0, eos_id: int = 1) -> Any:
    """A word a token: w2, w3, ...; pad and eos may lie beyond the model's vocabulary, where they never appear."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocab = {f"w{i}": i for i in range(2, vocab_size)} | {"<pad>": pad_id, "</s>": eos_id}
    inner = Tokenizer(models.WordLevel(vocab, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<pad>", model_max_length=1024
    )


def gpt2_config(**kwargs: Any) -> Any:
    from transformers import GPT2Config

    shape = {"vocab_size": VOCAB, "n_positions": 1024, "n_embd": 256, "n_layer": 4, "n_head": 4}
    return GPT2Config(**{**shape, "bos_token_id": 1, "eos_token_id": 1, **kwargs})


def build_model(kind: str, size: str = "small") -> Any:
    """Random weights; size: "small", what the original was measured on, or "published", as gpt2 and t5-base."""
    from transformers import GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    if kind == "gpt2":
        published = {"vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12}
        return GPT2LMHeadModel(gpt2_config(**(published if size == "published" else {})))
    shape = {"vocab_size": VOCAB, "d_model": 256, "d_ff": 1024, "num_layers": 4, "num_heads": 4}
    if size == "published":
        shape = {"vocab_size": 32128, "d_model": 768, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
    return T5ForConditionalGeneration(
        T5Config(**shape, d_kv=64, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)
    )


def prompts(length: int) -> list[list[int]]:
    """`N_PROMPTS` rows of random words."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(2, VOCAB, (N_PROMPTS, length), generator=generator).tolist()


def sgemm_gflops(n: int = 1024, repeats: int = 25) -> float:
    """One thread's rate of n x n x n float32 products into memory that is there already, by CPU time."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    product = a @ b
    start = time.process_time()
    for _ in range(repeats):
        torch.mm(a, b, out=product)
    return 2 * n**3 * repeats / (time.process_time() - start) / 1e9


def peak_mb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
