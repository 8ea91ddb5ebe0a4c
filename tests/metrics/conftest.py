"""Random sentences, and tiny random models in the formats that the learned metrics load."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import BOS, EOS, PAD, VOCAB, tiny_model, word_tokenizer
from tests.metrics.model_files import save_bert, save_preference_model

_VOCABULARY = """
    the a cat cats dog runs running ran is sitting on mat big bigger house houses accidentally went go children
    child plays played with balls ball in garden and sings quickly 12 3.5 it's don't cannot agreement
"""
WORDS = _VOCABULARY.split()


def random_text(rng: random.Random, low: int = 1, high: int = 14, lines: int = 1) -> str:
    def line() -> str:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high))) + rng.choice(["", ".", " .", "?"])

    return "\n".join(line() for _ in range(lines))


def edited(rng: random.Random, text: str) -> str:
    """`text` with words dropped, moved and replaced."""
    words = text.split(" ")
    for _ in range(rng.randint(0, 4)):
        word = words.pop(rng.randrange(len(words))) if words else "x"
        words.insert(rng.randint(0, len(words)), word if rng.random() < 0.6 else rng.choice(WORDS))
    return " ".join(words)


def random_pairs(n: int, seed: int = 0, references: int = 1, lines: int = 1) -> tuple[list[str], list[list[str]]]:
    """(texts, references): n texts, each with 1 to `references` references."""
    rng = random.Random(seed)
    texts, refs = [], []
    for _ in range(n):
        reference = random_text(rng, lines=rng.randint(1, lines))
        texts.append(edited(rng, reference) if rng.random() < 0.7 else random_text(rng, lines=rng.randint(1, lines)))
        refs.append([reference, *(edited(rng, reference) for _ in range(rng.randint(0, references - 1)))])
    return texts, refs


def save_classifier(
    folder: Path, family: str = "gpt2", n_labels: int = 3, positions: int = 32, problem_type: str | None = None
) -> str:
    """A random classifier over the words w4 ... w63, saved as `from_pretrained` reads it."""
    import transformers as tf

    tokens: dict[str, Any] = {
        "bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD, "num_labels": n_labels, "vocab_size": VOCAB,
        "problem_type": problem_type,
    }  # fmt: skip
    torch.manual_seed(1)
    if family == "gpt2":
        config: Any = tf.GPT2Config(n_positions=positions, n_embd=32, n_layer=2, n_head=2, **tokens)
    else:
        sizes: dict[str, Any] = {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
        }
        config = tf.RobertaConfig(max_position_embeddings=positions, type_vocab_size=1, **sizes, **tokens)
    auto: Any = tf.AutoModelForSequenceClassification
    model = auto.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(6.0)  # scores far from uniform
    model.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def classifier_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_classifier(tmp_path_factory.mktemp("classifier"))


@pytest.fixture(scope="session")
def intent_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_classifier(tmp_path_factory.mktemp("intent"), n_labels=4)


@pytest.fixture(scope="session")
def roberta_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_classifier(tmp_path_factory.mktemp("roberta"), family="roberta")


@pytest.fixture(scope="session")
def language_model_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("language_model")
    tiny_model("gpt2").save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def encoder_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_bert(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def bert_regression_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_bert(tmp_path_factory.mktemp("bleurt"), "ForSequenceClassification", num_labels=1)


@pytest.fixture(scope="session")
def nli_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    labels = {0: "contradiction", 1: "neutral", 2: "entailment"}
    return save_bert(tmp_path_factory.mktemp("nli"), "ForSequenceClassification", id2label=labels)


@pytest.fixture(scope="session")
def preference_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_preference_model(tmp_path_factory.mktemp("preference"))
