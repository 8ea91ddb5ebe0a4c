"""Trains byte-level BPE tokenizers, and loads any tokenizer of Hugging Face by directory or hub id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.io import read_json
from rl4lms.core.pretrained import from_pretrained
from rl4lms.tokenization.chat import choose_template

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

Flavour = Literal["gpt2", "t5", "bert"]

# Tokenizer classes for which tokenizer.json is enough, so that no code of a model is needed.
_PLAIN_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")

_END_OF_TEXT = "<|endoftext|>"


def sentinel_tokens(n: int) -> list[str]:
    """T5's span sentinels `<extra_id_0>`, `<extra_id_1>`, ... in order of use."""
    return [f"<extra_id_{i}>" for i in range(n)]


def train_bpe(
    texts: Iterable[str],
    vocab_size: int,
    *,
    flavour: Flavour = "gpt2",
    model_max_length: int = 1024,
    n_sentinels: int = 0,
    lowercase: bool = False,
) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer on `texts`. It can encode and restore every string.

    flavour: the family whose special tokens it has.
      gpt2: `<|endoftext|>` (id 0) is bos, eos, unk and pad, as with GPT-2; nothing is added to a text.
      t5:   `<pad>` 0, `</s>` 1, `<unk>` 2, then `n_sentinels` sentinels; a text ends in `</s>`.
      bert: `[PAD]` 0, `[UNK]` 1, `[CLS]` 2, `[SEP]` 3; a text becomes `[CLS] text [SEP]`.
    vocab_size: the number of tokens, special ones and the 256 bytes included; it has fewer if the texts are too short.
    lowercase: only for classifiers, because it cannot be undone.

    Raises ConfigError if `vocab_size` has no room for special tokens and bytes.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    specials = _special_tokens(flavour, n_sentinels)
    smallest = len(specials) + 256
    if vocab_size < smallest:
        raise ConfigError(f"tokenizer: vocab_size {vocab_size}, expected at least {smallest} (256 bytes and specials).")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _with_frame(tokenizer, flavour, specials, model_max_length)


def _special_tokens(flavour: Flavour, n_sentinels: int) -> list[str]:
    if flavour == "gpt2":
        return [_END_OF_TEXT]
    if flavour == "t5":
        return ["<pad>", "</s>", "<unk>", *sentinel_tokens(n_sentinels)]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def _with_frame(
    tokenizer: Tokenizer, flavour: Flavour, specials: list[str], model_max_length: int
) -> PreTrainedTokenizerFast:
    from tokenizers import processors
    from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

    names: dict[str, Any]
    if flavour == "gpt2":
        names = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), _END_OF_TEXT)
    elif flavour == "t5":
        names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
        if len(specials) > 3:
            names["extra_special_tokens"] = specials[3:]
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
        )
    else:
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=model_max_length,
        clean_up_tokenization_spaces=False,
        **names,
    )


def load_tokenizer(name: str, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """Load a tokenizer by directory or hub id. Raises ConfigError if there is none.

    If tokenizer.json is enough, the auto classes are not used: they import the table of all models, which takes 0.3
    CPU-seconds.
    """
    config = Path(name) / "tokenizer_config.json"
    described = read_json(config) if config.is_file() else {}
    auto: Any
    if isinstance(described, dict) and described.get("tokenizer_class") in _PLAIN_CLASSES:
        from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast as auto  # noqa: N813
    else:
        from transformers import AutoTokenizer as auto  # noqa: N813
    tokenizer: PreTrainedTokenizerBase = from_pretrained(auto, name, "tokenizer", trust_remote_code=trust_remote_code)
    return tokenizer


def build_tokenizer(config: Mapping[str, Any]) -> PreTrainedTokenizerBase:
    """The tokenizer for the section `tokenizer` of a configuration.

    Its keys are model_name, padding_side and truncation_side (default left), pad_token_as_eos_token (default true),
    with which a tokenizer without a padding token pads with eos, and chat_template (`choose_template`). Masks are
    explicit, so an eos in a text stays real.
    """
    tokenizer = load_tokenizer(str(config["model_name"]), bool(config.get("trust_remote_code")))
    if tokenizer.pad_token is None:
        if not config.get("pad_token_as_eos_token", True):
            raise ConfigError(
                f"tokenizer {config['model_name']}: no padding token; set tokenizer.pad_token_as_eos_token: true."
            )
        if tokenizer.eos_token is None:
            raise DataError(f"tokenizer {config['model_name']}: neither a padding token nor an eos token.")
        tokenizer.pad_token = tokenizer.eos_token
    choose_template(tokenizer, str(config.get("chat_template", "auto")))
    tokenizer.padding_side = str(config.get("padding_side", "left"))
    tokenizer.init_kwargs["padding_side"] = tokenizer.padding_side  # which is saved with the run's model
    tokenizer.truncation_side = str(config.get("truncation_side", "left"))
    return tokenizer


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, directory: str | Path) -> None:
    """Save a tokenizer in the hub's format, without settings that the last call or the way of loading has left."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()
        backend.no_padding()
    for loaded_how in ("is_local", "local_files_only"):
        tokenizer.init_kwargs.pop(loaded_how, None)
    tokenizer.save_pretrained(directory)
