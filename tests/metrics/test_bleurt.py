import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from rl4lms.core.errors import ConfigError
from rl4lms.core.tables import MetricRegistry
from rl4lms.metrics.bleurt import BleurtMetric, BleurtModel, checkpoint_model
from tests.conftest import VOCAB
from tests.metrics.model_files import POSITIONS, SIZES, save_bert, save_word_pieces, sine_weights

KEY = "semantic/bleurt"
CONFIG = {
    "model_type": "bleurt", "architectures": ["BleurtForSequenceClassification"], "vocab_size": VOCAB, **SIZES,
    "hidden_act": "gelu", "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}  # fmt: skip
# bleurt-pytorch 0.0.1 (PyPI; its two missing imports from transformers supplied) with `sine_weights`, embedding size 8
# or none: BleurtForSequenceClassification(input_ids, attention_mask, token_type_ids).logits of PAIRS.
PAIRS = (["w5 w6 w7", "w8"], ["w9 w10", "w11 w12 w13 w14 w15 w16"])
GOLDEN = {8: [-0.7259824, -0.7277066], None: [-0.6445878, -0.6445386]}


def save_bleurt(folder: Path, embedding_size: int | None, without: str = "never") -> str:
    """A model in bleurt-pytorch's format, its weights by name as that package's parameters are in order."""
    import transformers as tf

    settings: dict[str, Any] = {"vocab_size": VOCAB, **SIZES, "max_position_embeddings": POSITIONS, "num_labels": 1}
    if embedding_size:
        config: Any = tf.RemBertConfig(input_embedding_size=embedding_size, layer_norm_eps=1e-12, **settings)
        model: Any = tf.RemBertForSequenceClassification(config)
    else:
        model = tf.BertForSequenceClassification(tf.BertConfig(**settings))
    names = {f"{model.base_model_prefix}.": "bleurt.", "embedding_hidden_mapping_in": "embedding_projection"}

    def renamed(name: str) -> str:
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        return name

    class Renamed(torch.nn.Module):
        def named_parameters(self, *args: Any, **kwargs: Any) -> Any:
            return [(renamed(name), parameter) for name, parameter in model.named_parameters()]

    sine_weights(Renamed())
    weights = {renamed(n): t.contiguous() for n, t in model.state_dict().items() if without not in n}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**CONFIG, "embedding_size": embedding_size}))
    save_word_pieces(folder, "BleurtTokenizer")
    return str(folder)


@pytest.mark.parametrize("embedding_size", [8, None])
def test_equal_to_the_package_that_wrote_the_format(tmp_path: Path, embedding_size: int | None) -> None:
    model = BleurtModel(save_bleurt(tmp_path, embedding_size), "cpu")
    logits = model.logits(PAIRS[0], 32, PAIRS[1])[:, 0].tolist()
    assert logits == pytest.approx(GOLDEN[embedding_size], abs=5e-7)


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no weights for rembert\.pooler"):
        BleurtModel(save_bleurt(tmp_path, 8, without="pooler"), "cpu")


def test_sentencepiece_tokens_are_those_of_the_models_file(tmp_path: Path) -> None:
    sentencepiece = pytest.importorskip("sentencepiece", reason="the extra bleurt is not installed")
    folder = Path(save_bleurt(tmp_path, 8))
    (folder / "vocab.txt").unlink()
    text = tmp_path / "text.txt"
    text.write_text("\n".join(["the cat sat on the mat", "a dog ran in the park", "hello there general"] * 30))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "spm"), vocab_size=60, pad_id=0, unk_id=1, bos_id=2, eos_id=3,
        pad_piece="[PAD]", unk_piece="[UNK]", bos_piece="[CLS]", eos_piece="[SEP]", hard_vocab_limit=False,
        minloglevel=2,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    model = BleurtModel(str(folder), "cpu")
    ((ids, types),) = model._encode(["the cat ran"], ["a dog sat"])
    first, second = pieces.encode("the cat ran"), pieces.encode("a dog sat")
    assert ids == [2, *first, 3, *second, 3]
    assert types == [0] * (len(first) + 2) + [1] * (len(second) + 1)


def test_sentencepiece_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(save_bleurt(tmp_path, 8))
    (folder / "spm.model").write_bytes(b"")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "sentencepiece" else found(name, *a)
    )
    with pytest.raises(ConfigError, match=r'pip install "rl4lms-grue\[bleurt\]"'):
        BleurtModel(str(folder), "cpu")


def test_reference_first_best_over_references(bert_regression_dir: str) -> None:
    """The plain form of checkpoint, through transformers alone."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(bert_regression_dir)
    model = AutoModelForSequenceClassification.from_pretrained(bert_regression_dir).eval()

    def score(reference: str, text: str) -> float:
        with torch.no_grad():
            return float(model(**tokenizer(reference, text, return_tensors="pt")).logits.item())

    texts, references = ["w5 w6", "w7"], [["w5", "w20 w21 w22"], ["w8 w9"]]
    expected = [max(score(r, texts[0]) for r in references[0]), score("w8 w9", "w7")]
    scores, value = MetricRegistry.get("bleurt", {"config_name": bert_regression_dir}).compute(None, texts, references)[
        KEY
    ]
    assert scores == pytest.approx(expected, abs=1e-5)
    assert value == pytest.approx(sum(expected) / 2, abs=1e-5)
    assert abs(score("w5", "w5 w6") - score("w5 w6", "w5")) > 1e-3  # the order of the pair matters


def test_published_checkpoints_have_their_conversions() -> None:
    assert checkpoint_model(None) == "lucadiliello/bleurt-base-128"
    assert checkpoint_model("bleurt-large-512") == "lucadiliello/bleurt-large-512"
    assert checkpoint_model("bleurt-20-d12") == "lucadiliello/BLEURT-20-D12"
    assert checkpoint_model("./mine") == "./mine"


def test_a_checkpoint_of_128_tokens_reads_no_more(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bleurt-tiny-128", "ForSequenceClassification", num_labels=1)
    assert BleurtModel(folder, "cpu").max_length == POSITIONS
    wide = tmp_path / "wide" / "bleurt-tiny-128"
    import transformers

    config = transformers.BertConfig(vocab_size=VOCAB, max_position_embeddings=512, num_labels=1, **SIZES)
    transformers.BertForSequenceClassification(config).save_pretrained(wide)
    save_word_pieces(wide)
    assert BleurtModel(str(wide), "cpu").max_length == 128


def test_bad_models(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a classifier with 3 labels, expected one"):
        BleurtMetric(save_bert(tmp_path / "three", "ForSequenceClassification", num_labels=3))
    with pytest.raises(ConfigError, match=r"BLEURT model .*lucadiliello/bleurt-base-128.* be loaded"):
        BleurtMetric()
