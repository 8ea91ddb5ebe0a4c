from pathlib import Path
from typing import Any

import pytest
import torch

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.metrics.classifier import TextClassifier, load_classifier
from rl4lms.metrics.learned import IntentAccuracyDailyDialog, LearnedRewardMetric, intent_classifier_input
from rl4lms.rewards.learned import LearnedRewardFunction
from tests.conftest import EOS, PAD
from tests.metrics.conftest import save_classifier

KEY = "semantic/learned_automodel_metric"
TEXTS = ["w4 w5 w6", "w7", "", "w8 w9 w10 w11 w12 w13", "w4 w5 w6", "w60 w61"]


def by_hand(folder: str, text: str, side: str = "left") -> Any:
    """Probabilities of one text, through transformers alone."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    ids = tokenizer(text, return_tensors="pt").input_ids
    longest = model.config.max_position_embeddings - (PAD + 1 if model.config.model_type == "roberta" else 0)
    ids = ids[:, -longest:] if side == "left" else ids[:, :longest]
    with torch.no_grad():
        return torch.softmax(model(ids).logits[0].double(), dim=-1)


@pytest.mark.parametrize("family", ["gpt2", "roberta"])
@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_a_text_scores_alike_alone_and_in_any_batch(
    family: str, batch_size: int, classifier_dir: str, roberta_dir: str
) -> None:
    folder = classifier_dir if family == "gpt2" else roberta_dir
    probabilities = load_classifier(folder, "cpu").probabilities(TEXTS, batch_size)
    assert probabilities.dtype == torch.float32
    assert probabilities.shape == (len(TEXTS), 3)
    torch.testing.assert_close(probabilities[0], probabilities[4])
    for i in (0, 1, 3, 5):
        torch.testing.assert_close(probabilities[i].double(), by_hand(folder, TEXTS[i]), atol=1e-5, rtol=1e-5)
    assert probabilities.std(dim=0).min() > 0.01  # the texts are told apart


@pytest.mark.parametrize("family", ["gpt2", "roberta"])
def test_long_texts_keep_their_end(family: str, classifier_dir: str, roberta_dir: str) -> None:
    folder = classifier_dir if family == "gpt2" else roberta_dir
    text = " ".join(f"w{4 + i % 59}" for i in range(100))
    probabilities = load_classifier(folder, "cpu").probabilities([text])
    torch.testing.assert_close(probabilities[0].double(), by_hand(folder, text), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(probabilities[0].double(), by_hand(folder, text, side="right"), atol=1e-3)


def test_metric_with_and_without_the_prompt(classifier_dir: str) -> None:
    prompts = [f"w{20 + i} " for i in range(len(TEXTS))]
    scores, value = LearnedRewardMetric(classifier_dir, 1).compute(prompts, TEXTS, None)[KEY]
    joined = [p + t for p, t in zip(prompts, TEXTS, strict=True)]
    expected = load_classifier(classifier_dir).probabilities(joined)[:, 1].tolist()
    assert scores == pytest.approx(expected, abs=1e-6)
    assert value == pytest.approx(sum(expected) / len(expected))
    alone, _ = LearnedRewardMetric(classifier_dir, 1, include_prompt_for_eval=False).compute(None, TEXTS, None)[KEY]
    assert alone == pytest.approx(load_classifier(classifier_dir).probabilities(TEXTS)[:, 1].tolist(), abs=1e-6)
    with pytest.raises(DataError, match="prompts are missing"):
        LearnedRewardMetric(classifier_dir, 1).compute(None, TEXTS, None)


KINDS = [
    (1, None, "sigmoid"),
    (1, "multi_label_classification", "sigmoid"),
    (1, "regression", "raw"),
    (2, None, "softmax"),
    (3, "single_label_classification", "softmax"),
    (3, "multi_label_classification", "sigmoid"),
    (3, "regression", "raw"),
]


@pytest.mark.parametrize(("n_labels", "problem_type", "kind"), KINDS)
@pytest.mark.parametrize("family", ["gpt2", "roberta"])
def test_a_score_is_what_the_pipeline_gives(
    family: str, n_labels: int, problem_type: str | None, kind: str, tmp_path: Path
) -> None:
    """docs/numerics.md, line 35: one label was 1.0 for every text, and several at once added up to 1."""
    from transformers import pipeline

    folder = save_classifier(tmp_path, family, n_labels, problem_type=problem_type)
    texts = [text for text in TEXTS if text]
    classify = pipeline("text-classification", model=folder, top_k=None, device="cpu")
    found = load_classifier(folder, "cpu").probabilities(texts)
    for i, text in enumerate(texts):
        expected = {row["label"]: row["score"] for row in classify([text])[0]}
        assert found[i].tolist() == pytest.approx([expected[f"LABEL_{n}"] for n in range(n_labels)], abs=1e-6)
    sums_to_one = torch.allclose(found.sum(-1), torch.ones(len(texts)), atol=1e-5)
    within_one = bool(((found >= 0) & (found <= 1)).all())
    assert (sums_to_one, within_one) == {"softmax": (True, True), "sigmoid": (False, True), "raw": (False, False)}[kind]
    assert found[0, 0] != found[1, 0]  # the texts are told apart
    label = n_labels - 1
    prompts = [""] * len(texts)
    scores, _ = LearnedRewardMetric(folder, label, device="cpu").compute(prompts, texts, None)[KEY]
    rewards = LearnedRewardFunction(folder, label, device="cpu")(
        prompts, texts, [[""]] * len(texts), [True] * len(texts)
    )
    assert scores == rewards == pytest.approx(found[:, label].tolist(), abs=1e-6)


def test_an_intent_of_one_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one label, expected one for each"):
        IntentAccuracyDailyDialog(save_classifier(tmp_path, n_labels=1))


def test_permutation_and_repetition(classifier_dir: str) -> None:
    metric = LearnedRewardMetric(classifier_dir, 2, batch_size=2, include_prompt_for_eval=False)
    forward, value = metric.compute(None, TEXTS, None)[KEY]
    backward, _ = metric.compute(None, TEXTS[::-1], None)[KEY]
    assert forward is not None
    assert backward is not None
    assert forward == pytest.approx(backward[::-1], abs=1e-6)
    assert metric.compute(None, TEXTS, None)[KEY] == (forward, value)


def test_one_model_for_all_who_name_it(classifier_dir: str) -> None:
    first, second = LearnedRewardMetric(classifier_dir, 0), LearnedRewardMetric(classifier_dir, 1)
    assert first._classifier is second._classifier


def test_padding_token_is_agreed_where_the_tokenizer_has_none(classifier_dir: str, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(classifier_dir)
    model.config.pad_token_id = None
    model.save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(classifier_dir)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path)
    classifier = TextClassifier(str(tmp_path), "cpu")
    assert classifier._model.config.pad_token_id == EOS
    torch.testing.assert_close(
        classifier.probabilities(TEXTS[:2]), load_classifier(classifier_dir, "cpu").probabilities(TEXTS[:2])
    )


def test_bad_arguments(classifier_dir: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="labels 0 to 2"):
        LearnedRewardMetric(classifier_dir, 3)
    with pytest.raises(ConfigError, match="cannot be loaded"):
        LearnedRewardMetric(str(tmp_path / "absent"), 0)
    with pytest.raises(ConfigError, match="Delete the directory and run again"):
        LearnedRewardMetric(str(tmp_path), 0)
    with pytest.raises(ConfigError, match="batch_size"):
        LearnedRewardMetric(classifier_dir, 0, 0, False).compute(None, ["w4"], None)


def test_intent_input_is_the_last_utterance_and_the_answer() -> None:
    assert intent_classifier_input("hi<EOU>how are you ? <EOU>", "fine <EOU>") == "how are you ? fine <EOU>"
    assert intent_classifier_input("", "fine") == "fine" == intent_classifier_input("<EOU>", "fine")


def test_intent_accuracy(intent_dir: str) -> None:
    prompts = [f"w5<EOU>w{i} <EOU>" for i in range(6, 14)]
    texts = [f"w{i}" for i in range(30, 38)]
    inputs = [intent_classifier_input(p, t) for p, t in zip(prompts, texts, strict=True)]
    labels = load_classifier(intent_dir).probabilities(inputs).argmax(dim=-1).tolist()
    assert len(set(labels)) > 1
    infos = [{"intent": [label + 1]} for label in labels[:4]] + [
        {"intent": [(label + 1) % 4 + 1]} for label in labels[4:]
    ]
    metric = IntentAccuracyDailyDialog(intent_dir)
    assert metric.compute(prompts, texts, None, infos)["intent/accuracy"] == ([1.0] * 4 + [0.0] * 4, 0.5)
    with pytest.raises(DataError, match='no "intent"'):
        metric.compute(prompts[:1], texts[:1], None, [{}])
    with pytest.raises(DataError, match="intent 5 of text 0, expected 1 to 4"):
        metric.compute(prompts[:1], texts[:1], None, [{"intent": [5]}])
