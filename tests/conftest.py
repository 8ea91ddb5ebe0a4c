"""Tiny models and tokenizers, built from configurations: no file of weights, no network."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

from rl4lms.core import tables
from rl4lms.core.kernels import environment

os.environ.update(environment(n_threads=1))  # as a stage of the pipeline computes
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["RL4LMS_WARM"] = ""  # a grid's jobs run by themselves, for most tests of the pipeline run none that computes

import pytest
import torch

from rl4lms.numerics.packing import unpack_bits

torch.set_num_threads(1)
for variable in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "VENV"):
    os.environ.pop(variable, None)  # what `make test VENV=...` says is not meant for a make that a test calls
REGISTRIES = [entry.table for entry in vars(tables).values() if isinstance(entry, type) and hasattr(entry, "table")]


@pytest.fixture(autouse=True)
def registries():
    """What a test registers is gone after it, for error messages list the ids of the whole process."""
    kept = [(table, {name: copy.copy(value) for name, value in vars(table).items()}) for table in REGISTRIES]
    yield
    for table, state in kept:
        vars(table).update(state)


VOCAB = 64
PAD, BOS, EOS, UNK = 0, 1, 2, 3


def word_tokenizer(pad_is_eos: bool = False, add_bos: bool = False) -> Any:
    """Words w4 ... w63 and four special tokens; ids are known by name."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocab = {"<pad>": PAD, "<s>": BOS, "</s>": EOS, "<unk>": UNK} | {f"w{i}": i for i in range(4, VOCAB)}
    inner = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    if add_bos:
        inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="</s>" if pad_is_eos else "<pad>",
        padding_side="left",
        truncation_side="left",
        model_max_length=64,
    )


CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + ' ' + m['content'] + '<|im_end|> ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant ' }}{% endif %}"
)
TURN, TURN_END, SYSTEM, USER, ASSISTANT = 4, 5, 6, 7, 8


def chat_tokenizer(template: str | None = CHATML, add_bos: bool = False) -> Any:
    """Words w9 ... w63, ChatML's two tokens and the names of the roles; `</s>` is the eos, and no turn ends in it."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    named = ["<pad>", "<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>", "system", "user", "assistant"]
    vocab = {word: i for i, word in enumerate(named)} | {f"w{i}": i for i in range(9, VOCAB)}
    inner = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.add_special_tokens([AddedToken(token, special=True) for token in named[4:6]])
    if add_bos:
        inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=96, chat_template=template, **names)


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a random Llama and `chat_tokenizer`."""
    path = tmp_path_factory.mktemp("chat")
    tiny_model("llama").save_pretrained(path)
    chat_tokenizer().save_pretrained(path)
    return path


def dense_mask(sequences: Any) -> torch.Tensor | None:
    """(B, T, V) bool of the actions that could be sampled, or None for all."""
    bits = sequences.action_mask_bits
    return None if bits is None else unpack_bits(bits, VOCAB)


def tiny_config(family: str, vocab_size: int = VOCAB) -> Any:
    import transformers as tf

    tokens = {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    bart = {
        "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 96,
    }  # fmt: skip
    t5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    common: dict[str, Any] = {"vocab_size": vocab_size, **tokens}
    positions = {"max_position_embeddings": 128}
    arguments: dict[str, tuple[Any, dict[str, Any]]] = {
        "gpt2": (tf.GPT2Config, {"n_positions": 128, "n_embd": 32, "n_layer": 2, "n_head": 2}),
        "llama": (tf.LlamaConfig, {"intermediate_size": 64, **positions, **sizes}),
        "gpt_neox": (tf.GPTNeoXConfig, {"intermediate_size": 64, **positions, **sizes}),
        "opt": (tf.OPTConfig, {"ffn_dim": 64, "word_embed_proj_dim": 32, **positions, **sizes}),
        "t5": (tf.T5Config, {**t5, "decoder_start_token_id": PAD}),
        "mt5": (tf.MT5Config, {**t5, "decoder_start_token_id": PAD}),
        "bart": (tf.BartConfig, {**bart, "decoder_start_token_id": EOS, "forced_eos_token_id": None}),
        "blenderbot": (tf.BlenderbotConfig, {**bart, "decoder_start_token_id": BOS, "forced_eos_token_id": None}),
    }
    config_class, own = arguments[family]
    return config_class(**common, **own)


def tiny_model(family: str, seed: int = 0, scale: float = 2.0, vocab_size: int = VOCAB) -> Any:
    """A random model whose logits are far from flat (weights are scaled), in eval mode, float32."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = tiny_config(family, vocab_size)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    torch.manual_seed(seed)
    model = auto.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2 and parameter.std() < 0.1:
                parameter.mul_(scale)
        if not config.tie_word_embeddings:
            model.get_output_embeddings().weight.mul_(0.3 / model.get_output_embeddings().weight.std())
    return model


CAUSAL = ("gpt2", "llama", "gpt_neox", "opt")
SEQ2SEQ = ("t5", "mt5", "bart", "blenderbot")


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """model_dir(family) -> a directory with model and tokenizer in the hub's format."""
    root: Path = tmp_path_factory.mktemp("models")

    def build(family: str, pad_is_eos: bool = False, add_bos: bool = False, scale: float = 2.0) -> Path:
        path = root / f"{family}-{pad_is_eos}-{add_bos}-{scale}"
        if not path.exists():
            tiny_model(family, scale=scale).save_pretrained(path)
            word_tokenizer(pad_is_eos, add_bos).save_pretrained(path)
        return path

    return build


FILM = ("the", "film", "was", "good", "bad", ".")


def llama_tokenizer() -> Any:
    """As LLaMA's: a space is part of the word after it, the first one is lost in decoding, rare text is bytes; `<s>` is
    put before a text. Words of FILM, and what follows a word without a space ("ly")."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = ["<pad>", "<s>", "</s>", "<unk>"]
    words = [f"▁{word}" for word in FILM] + ["ly", "▁"]
    vocab = [(token, 0.0) for token in specials] + [(word, -1.0) for word in words]
    vocab += [(f"<0x{byte:02X}>", -9.0) for byte in range(256)]
    inner = Tokenizer(models.Unigram(vocab, unk_id=UNK, byte_fallback=True))
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )


def wordpiece_tokenizer() -> Any:
    """As BERT's: words of FILM in lower case, "##ly" inside a word, `[SEP]` as eos."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocab = {token: i for i, token in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *FILM, "##ly"])}
    inner = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece(prefix="##")
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="[CLS]", eos_token="[SEP]", unk_token="[UNK]", pad_token="[PAD]"
    )
