"""Small random models for the configurations of configs/synthetic/, one of each published family.

    python scripts/synthetic_models.py

Their words are numbers, dates and those of the prompts, so that a random model already emits what the synthetic
rewards look for. Equal seeds give equal bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rl4lms.core.kernels import settle_process

NUMBERS = [str(n) for n in range(1, 41)]
DATES = ["2022-01-03", "2022-10-21"]
WORDS = "Lets increase numbers Let us generate some Generate The next meeting is on".split()
WIDTH, LAYERS, HEADS, POSITIONS = 64, 2, 4, 64
PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"
END_OF_TEXT = "<|endoftext|>"  # GPT-2 has this one special token


def specials(family: str) -> list[str]:
    return [END_OF_TEXT] if family == "gpt2" else [PAD, BOS, EOS, UNK]


def tokenizer_of(family: str) -> Any:
    """One token a word; special tokens have the ids 0, 1, ... in the order of `specials`."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate([*specials(family), *NUMBERS, *DATES, *WORDS])}
    names = [END_OF_TEXT] * 4 if family == "gpt2" else specials(family)
    pad, bos, eos, unk = names
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=unk))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=pad, bos_token=bos, eos_token=eos, unk_token=unk, model_max_length=POSITIONS
    )


def config_of(family: str, tokenizer: Any) -> Any:
    """The family's configuration at a width of 64. Decoders start as the published models do: T5 with padding, BART
    with the end of a sentence, Blenderbot with its beginning."""
    import transformers as tf

    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    common: dict[str, Any] = {"vocab_size": len(tokenizer), **ids}
    bart: dict[str, Any] = {
        "d_model": WIDTH,
        "max_position_embeddings": POSITIONS,
        "forced_eos_token_id": None,
        **{f"{side}_layers": LAYERS for side in ("encoder", "decoder")},
        **{f"{side}_attention_heads": HEADS for side in ("encoder", "decoder")},
        **{f"{side}_ffn_dim": 2 * WIDTH for side in ("encoder", "decoder")},
    }
    t5 = {"d_model": WIDTH, "d_kv": WIDTH // HEADS, "d_ff": 2 * WIDTH, "num_layers": LAYERS, "num_heads": HEADS}
    match family:
        case "gpt2":
            return tf.GPT2Config(**common, n_positions=POSITIONS, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS)
        case "t5":
            return tf.T5Config(**common, **t5, decoder_start_token_id=ids["pad_token_id"])
        case "bart":
            return tf.BartConfig(**common, **bart, decoder_start_token_id=ids["eos_token_id"])
        case _:
            return tf.BlenderbotConfig(**common, **bart, decoder_start_token_id=ids["bos_token_id"])


FAMILIES = ("gpt2", "t5", "bart", "blenderbot")


def write_model(family: str, directory: Path, seed: int = 0) -> None:
    """Model and tokenizer of a family in the hub's format."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    tokenizer = tokenizer_of(family)
    config = config_of(family, tokenizer)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    torch.manual_seed(seed)
    auto.from_config(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write small random models for configs/synthetic/.")
    parser.add_argument("--out", type=Path, default=Path("results/synthetic/models"), help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    settle_process()
    for family in FAMILIES:
        write_model(family, args.out / family, args.seed)
        print(args.out / family)
    return 0


if __name__ == "__main__":
    sys.exit(main())
