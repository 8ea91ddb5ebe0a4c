"""docs/numerics.md, line 35: a model that is loaded is whole, whoever loads it and whatever it is for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PegasusConfig, PegasusForConditionalGeneration

from rl4lms.core.errors import ConfigError
from rl4lms.metrics.bert_score import Encoder
from rl4lms.metrics.bleurt import BleurtModel
from rl4lms.metrics.classifier import TextClassifier
from rl4lms.metrics.nli import NliModel
from rl4lms.metrics.perplexity import perplexity_model
from rl4lms.metrics.preference import PreferenceModel
from rl4lms.policies.language_models import load_language_model
from rl4lms.training import base_model
from tests.conftest import SEQ2SEQ, tiny_model, word_tokenizer
from tests.metrics.conftest import save_classifier
from tests.metrics.model_files import save_bert, save_preference_model

WEIGHTS = "model.safetensors"
NLI = {0: "contradiction", 1: "neutral", 2: "entailment"}


def save_language_model(folder: Path, family: str = "gpt2") -> None:
    tiny_model(family).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)


def load_encoder(folder: str) -> Any:
    pytest.importorskip("bert_score", reason="the extra bert is not installed")
    return Encoder(folder, 2, "cpu")


# What a model is for -> how one is saved, and how it is loaded.
USES: dict[str, tuple[Callable[[Path], Any], Callable[[str], Any]]] = {
    "policy": (save_language_model, lambda d: load_language_model(d, seq2seq=False)),
    "seq2seq policy": (lambda d: save_language_model(d, "t5"), lambda d: load_language_model(d, seq2seq=True)),
    "base model": (save_language_model, lambda d: base_model.load_model(d, "causal")),
    "perplexity": (save_language_model, perplexity_model),
    "classifier": (save_classifier, lambda d: TextClassifier(d, "cpu")),
    "roberta classifier": (lambda d: save_classifier(d, "roberta"), lambda d: TextClassifier(d, "cpu")),
    "NLI": (lambda d: save_bert(d, "ForSequenceClassification", id2label=NLI), lambda d: NliModel(d, "cpu")),
    "BLEURT": (lambda d: save_bert(d, "ForSequenceClassification", num_labels=1), lambda d: BleurtModel(d, "cpu")),
    "preference": (save_preference_model, lambda d: PreferenceModel(d, "cpu")),
    "encoder": (save_bert, load_encoder),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("whole")

    def directory(use: str) -> Path:
        path = root / use.replace(" ", "_")
        if not path.exists():
            path.mkdir()
            USES[use][0](path)
        return path

    return directory


def without(source: Path, target: Path, dropped: Collection[str]) -> str:
    """A copy of a model's directory whose file of weights lacks these tensors."""
    shutil.copytree(source, target)
    kept = {key: value for key, value in load_file(source / WEIGHTS).items() if key not in dropped}
    save_file(kept, target / WEIGHTS, metadata={"format": "pt"})
    return str(target)


def tensors(folder: Path) -> list[str]:
    return sorted(key for key in load_file(folder / WEIGHTS) if "pooler" not in key and "final_logits_bias" not in key)


@pytest.mark.parametrize("use", USES)
def test_a_whole_model_is_loaded(use: str, saved: Callable[[str], Path]) -> None:
    assert USES[use][1](str(saved(use))) is not None


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("place", [0, 7, -1])
def test_one_missing_tensor_is_named(use: str, place: int, saved: Callable[[str], Path], tmp_path: Path) -> None:
    """Also where the embedding is lost to which the head is tied, as in GPT-2 and T5."""
    gone = tensors(saved(use))[place]
    with pytest.raises(ConfigError, match=rf"not a whole \w+: it has no weights for {gone}[.;]"):
        USES[use][1](without(saved(use), tmp_path / "copy", {gone}))


@pytest.mark.parametrize("use", USES)
def test_all_but_one_missing_is_counted(use: str, saved: Callable[[str], Path], tmp_path: Path) -> None:
    first, *others = tensors(saved(use))
    with pytest.raises(ConfigError, match=rf"no weights for .*{others[0]}.* and \d+ more") as caught:
        USES[use][1](without(saved(use), tmp_path / "copy", set(others)))
    assert first not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "opt", "t5", "bart"])
def test_every_tensor_of_a_language_model_is_missed(family: str, tmp_path: Path) -> None:
    """One after the other; what is tied to another is in no file."""
    save_language_model(tmp_path / "whole", family)
    for gone in tensors(tmp_path / "whole"):
        with pytest.raises(ConfigError, match="not a whole"):
            load_language_model(without(tmp_path / "whole", tmp_path / gone, {gone}), seq2seq=family in SEQ2SEQ)


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5"])
def test_a_language_model_is_no_classifier(family: str, tmp_path: Path) -> None:
    save_language_model(tmp_path, family)
    kind = type(tiny_model(family)).__name__
    with pytest.raises(ConfigError, match=rf"no weights for (score|classification_head\.dense)\..*was saved as {kind}"):
        TextClassifier(str(tmp_path), "cpu")


def test_a_classifier_is_no_language_model(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForSequenceClassification

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    LlamaForSequenceClassification(LlamaConfig(vocab_size=64, **sizes)).save_pretrained(tmp_path)
    with pytest.raises(
        ConfigError, match=r"no weights for lm_head.weight, and some that it has no place for: score.weight"
    ):
        load_language_model(str(tmp_path), seq2seq=False)


def test_an_encoder_needs_no_pooler_and_a_classifier_over_it_does(saved: Callable[[str], Path], tmp_path: Path) -> None:
    pooler = {"pooler.dense.weight", "pooler.dense.bias"}
    load_encoder(without(saved("encoder"), tmp_path / "encoder", pooler))
    with pytest.raises(ConfigError, match=r"no weights for bert.pooler.dense.bias, bert.pooler.dense.weight\."):
        NliModel(without(saved("NLI"), tmp_path / "nli", {f"bert.{key}" for key in pooler}), "cpu")


def test_old_names_of_tensors_are_found(saved: Callable[[str], Path], tmp_path: Path) -> None:
    """BERT's first checkpoints say gamma and beta; GPT-2's have the buffers of its causal mask."""
    shutil.copytree(saved("encoder"), tmp_path / "encoder")
    whole = load_file(saved("encoder") / WEIGHTS)
    old = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for key, value in whole.items()
    }
    assert old.keys() != whole.keys()
    old["embeddings.position_ids"] = torch.arange(8)[None]
    save_file(old, tmp_path / "encoder" / WEIGHTS, metadata={"format": "pt"})
    found = load_encoder(str(tmp_path / "encoder"))._model.state_dict()
    assert torch.equal(found["embeddings.LayerNorm.weight"], whole["embeddings.LayerNorm.weight"])
    shutil.copytree(saved("policy"), tmp_path / "policy")
    bare = {key.removeprefix("transformer."): value for key, value in load_file(saved("policy") / WEIGHTS).items()}
    bare |= {"h.0.attn.bias": torch.ones(1, 1, 8, 8), "h.0.attn.masked_bias": torch.tensor(-1e4)}
    save_file(bare, tmp_path / "policy" / WEIGHTS, metadata={"format": "pt"})
    load_language_model(str(tmp_path / "policy"), seq2seq=False)


def test_sinusoids_that_transformers_computes_may_be_missing(tmp_path: Path) -> None:
    """As in Pegasus' published files."""
    sizes = dict.fromkeys(("encoder_layers", "decoder_layers", "encoder_attention_heads", "decoder_attention_heads"), 2)
    config = PegasusConfig(vocab_size=64, d_model=16, encoder_ffn_dim=32, decoder_ffn_dim=32, **sizes)
    PegasusForConditionalGeneration(config).save_pretrained(tmp_path / "whole")
    computed = [key for key in load_file(tmp_path / "whole" / WEIGHTS) if "embed_positions" in key]
    assert computed
    folder = without(tmp_path / "whole", tmp_path / "published", computed)
    found = load_language_model(folder, seq2seq=True).state_dict()
    for key, value in load_language_model(str(tmp_path / "whole"), seq2seq=True).state_dict().items():
        assert torch.equal(found[key], value), key


def test_another_shape_is_named(saved: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copytree(saved("policy"), tmp_path / "copy")
    weights = load_file(saved("policy") / WEIGHTS)
    weights["transformer.wte.weight"] = weights["transformer.wte.weight"][:-3].clone()
    save_file(weights, tmp_path / "copy" / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"another shape of transformer.wte.weight, 61x32 for 64x32"):
        load_language_model(str(tmp_path / "copy"), seq2seq=False)


def test_a_shard_that_is_missing_or_lacks_a_tensor(tmp_path: Path) -> None:
    tiny_model("gpt2").save_pretrained(tmp_path, max_shard_size="40KB")
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 1
    load_language_model(str(tmp_path), seq2seq=False)
    whole = load_file(shards[-1])
    gone = sorted(whole)[-1]
    save_file({k: v for k, v in whole.items() if k != gone}, shards[-1], metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=rf"no weights for {gone}\."):
        load_language_model(str(tmp_path), seq2seq=False)
    shards[0].unlink()
    with pytest.raises(ConfigError, match=shards[0].name):
        load_language_model(str(tmp_path), seq2seq=False)


def test_an_adapter_and_its_base_are_whole(tmp_path: Path) -> None:
    """The base may lack a head that the adapter has: it is a plain language model. It is loaded once."""
    peft = pytest.importorskip("peft", reason="the extra peft is not installed")
    from transformers import AutoModelForSequenceClassification

    base, adapter = tmp_path / "base", tmp_path / "adapter"
    load = AutoModelForSequenceClassification.from_pretrained
    save_language_model(base)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2)
    lora = peft.LoraConfig(task_type="SEQ_CLS", r=2, fan_in_fan_out=True)
    peft.get_peft_model(model, lora).save_pretrained(adapter)
    word_tokenizer().save_pretrained(adapter)
    with patch.object(AutoModelForSequenceClassification, "from_pretrained", wraps=load) as loaded:
        assert TextClassifier(str(adapter), "cpu").n_labels == 2
    assert loaded.call_count == 1
    file = adapter / "adapter_model.safetensors"
    whole = load_file(file)
    for gone, named in ((sorted(whole)[0], "score"), (sorted(whole)[2], "lora_B")):
        save_file({k: v for k, v in whole.items() if k != gone}, file, metadata={"format": "pt"})
        with pytest.raises(ConfigError, match=rf"adapter: not a whole .* no weights for [\w.]*{named}"):
            TextClassifier(str(adapter), "cpu")
    save_file(whole, file, metadata={"format": "pt"})
    lost = load_file(base / WEIGHTS)
    del lost["transformer.ln_f.bias"]
    save_file(lost, base / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"base: not a whole .* no weights for transformer.ln_f.bias;"):
        TextClassifier(str(adapter), "cpu")
    with pytest.raises(ConfigError, match="It is an adapter; merge it"):
        load_language_model(str(adapter), seq2seq=False)
