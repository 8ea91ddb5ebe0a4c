import itertools
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.tables import MetricRegistry
from rl4lms.metrics.nli import PUBLISHED, NliModel
from rl4lms.metrics.sentences import sentence_splitter
from rl4lms.metrics.summac import SummaCConv, SummaCZS, split_chunks, zero_shot
from tests.metrics.model_files import WORDS, save_bert

pytest.importorskip("punkt", reason="the extra summac is not installed")
ZS, CONV = "consistency/summaczs", "consistency/summacconv"


def images() -> list[np.ndarray]:
    """Chances of 4 x 3, 1 x 1 and 6 x 12 chunks, and what a text without chunks has."""
    rng = np.random.RandomState(7)
    drawn = [rng.rand(3, d, s) for d, s in ((4, 3), (1, 1), (6, 12))]
    return [image / image.sum(axis=0, keepdims=True) for image in drawn] + [np.zeros((3, 1, 1))]


# summac 0.0.4 (PyPI): SummaCZS(op1=, op2=, use_ent=, use_con=, device="cpu").image2score(image).
GOLDEN_ZS = {
    ("max", "mean", True, True): [0.079608377, 0.274670302, 0.027991924, 0.0],
    ("max", "mean", True, False): [0.490653719, 0.46436452, 0.573919124, 0.0],
    ("max", "mean", False, True): [0.588954659, 0.810305782, 0.4540728, 1.0],
    ("mean", "min", True, True): [-0.199335501, 0.274670302, -0.151377245, 0.0],
    ("mean", "min", True, False): [0.231206061, 0.46436452, 0.225185727, 0.0],
    ("mean", "min", False, True): [0.569458438, 0.810305782, 0.608141388, 1.0],
    ("min", "max", True, True): [0.080229032, 0.274670302, 0.23892644, 0.0],
    ("min", "max", True, False): [0.216243683, 0.46436452, 0.318119801, 0.0],
    ("min", "max", False, True): [0.95763393, 0.810305782, 0.994562741, 1.0],
}
# summac 0.0.4: SummaCConv(...).forward(None, None, images) -> softmax[:, 1], its parameters as `head_state` gives them,
# each image repeated for every model.
GOLDEN_CONV: list[tuple[dict[str, Any], list[float]]] = [
    (
        {"models": ["vitc"], "bins": "percentile", "nli_labels": "e", "agg": "mean"},
        [0.0320864, 0.1661671, 0.0051433, 0.322322],
    ),
    (
        {"models": ["mnli", "vitc"], "bins": "even50", "nli_labels": "ec", "agg": "all"},
        [0.1709281, 0.0459229, 0.1012229, 0.2146296],
    ),
]


@pytest.mark.parametrize("settings", GOLDEN_ZS)
def test_zero_shot_equals_the_authors(settings: tuple[str, str, bool, bool]) -> None:
    assert [zero_shot(image, *settings) for image in images()] == pytest.approx(GOLDEN_ZS[settings], abs=1e-8)


def head_state(n_features: int) -> dict[str, torch.Tensor]:
    shapes = {"layer_final.bias": (2,), "layer_final.weight": (2, 3), "mlp.bias": (1,), "mlp.weight": (1, n_features)}
    state = {}
    for i, (name, shape) in enumerate(sorted(shapes.items())):
        places = torch.arange(int(np.prod(shape)), dtype=torch.float64)
        state[name] = (torch.sin(places * 0.7 + i) * 0.5).reshape(shape).float()
    return state


@pytest.mark.parametrize(("arguments", "expected"), GOLDEN_CONV)
def test_convolution_equals_the_authors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], expected: list[float]
) -> None:
    monkeypatch.setattr("rl4lms.metrics.summac.load_nli", lambda *_: None)
    n_features = len(arguments["models"]) * len(arguments["nli_labels"]) * (23 if arguments["agg"] == "mean" else 50)
    save_file(head_state(n_features), tmp_path / "head.safetensors")
    metric = SummaCConv(start_file=str(tmp_path / "head.safetensors"), **arguments)
    planes = [np.concatenate([image] * len(arguments["models"])) for image in images()]
    assert [metric.score_image(image) for image in planes] == pytest.approx(expected, abs=1e-6)


TEXT = "Dr. Smith went home. He was tired!\n\nYes.\n\nA second paragraph, with 3.5 lines.\nLine two follows it."


def test_chunks() -> None:
    sentences = ["Dr. Smith went home.", "He was tired!", "A second paragraph, with 3.5 lines.", "Line two follows it."]
    paragraphs = ["Dr. Smith went home. He was tired!", TEXT.split("\n\n")[2]]
    assert split_chunks(TEXT, "sentence") == sentences  # "Yes." is too short
    assert split_chunks(TEXT, "paragraph") == paragraphs
    assert split_chunks(TEXT, "mixed") == sentences + paragraphs
    assert split_chunks(TEXT, "document") == [TEXT]
    assert split_chunks(TEXT, "2sents") == [*(f"{a} {b}" for a, b in itertools.pairwise(sentences)), sentences[-1]]
    assert split_chunks("one line of text\nanother line of text", "paragraph") == [
        "one line of text",
        "another line of text",
    ]
    assert split_chunks("", "sentence") == split_chunks("short", "paragraph") == []


def by_hand(folder: str, premise: str, hypothesis: str) -> list[float]:
    """Entailment, contradiction, neutrality through transformers alone."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        chances = torch.softmax(model(**tokenizer(premise, hypothesis, return_tensors="pt")).logits[0].double(), dim=-1)
    return chances[[2, 0, 1]].tolist()


def test_zero_shot_on_a_model(nli_dir: str) -> None:
    document, text = "w5 w6 w7 w8\n\nw20 w21 w22 w23", "w30 w31 w32 w33\n\nw40 w41 w42 w43"
    chances = np.array([[by_hand(nli_dir, p, h) for h in text.split("\n\n")] for p in document.split("\n\n")])
    assert chances.max() - chances.min() > 0.1
    best = chances.max(axis=0)  # (2 summary chunks, 3)
    metric = MetricRegistry.get("summaCZS", {"model_name": nli_dir})
    scores, value = metric.compute([document], [text], None)[ZS]
    assert scores == [value]
    assert value == pytest.approx((best[:, 0] - best[:, 1]).mean(), abs=1e-6)
    entailed = SummaCZS(nli_dir, "paragraph-document", use_con=False, op2="min").compute([document], [text], None)[ZS][
        1
    ]
    whole = [by_hand(nli_dir, p, text)[0] for p in document.split("\n\n")]
    assert entailed == pytest.approx(max(whole), abs=1e-6)


def texts(n: int) -> list[str]:
    rng = random.Random(4)
    return [
        "\n\n".join(" ".join(rng.choices(WORDS, k=rng.randint(3, 9))) for _ in range(rng.randint(1, 4)))
        for _ in range(n)
    ]


@pytest.mark.parametrize("batch_size", [1, 5])
def test_batched_equals_one_by_one_in_any_order(nli_dir: str, batch_size: int) -> None:
    documents, summaries = [*texts(9), ""], [*texts(10)[1:], ""]
    metric = SummaCZS(nli_dir, batch_size=batch_size)
    scores, _ = metric.compute(documents, summaries, None)[ZS]
    assert scores is not None
    alone = [metric.compute([d], [s], None)[ZS][1] for d, s in zip(documents, summaries, strict=True)]
    assert scores == pytest.approx(alone, abs=1e-5)
    assert scores[-1] == 0.0
    assert metric.compute(documents[::-1], summaries[::-1], None)[ZS][0] == pytest.approx(scores[::-1], abs=1e-6)


def test_long_pairs_are_cut_as_transformers_cuts_them(nli_dir: str) -> None:
    from transformers import AutoTokenizer

    model, tokenizer = NliModel(nli_dir, "cpu"), AutoTokenizer.from_pretrained(nli_dir)
    first, second = [" ".join(WORDS * n) for n in (5, 1, 2)], [" ".join(WORDS[::-1] * n) for n in (1, 7, 2)]
    whole = tokenizer(first, second, truncation=True, max_length=model.max_length)
    expected = list(zip(whole.input_ids, whole.token_type_ids, strict=True))
    assert model._encode(first, second) == expected
    assert max(map(len, whole.input_ids)) == model.max_length
    start = time.process_time()
    model._encode([" ".join(WORDS * 200)], [" ".join(WORDS * 200)])
    assert time.process_time() - start < 5  # 139 s where both are handed to the tokenizer whole


def test_long_and_odd_texts(nli_dir: str) -> None:
    long = " ".join(WORDS * 200)
    documents, summaries = [long, "", "東京 タワー は高い です", long], [long, "w5 w6 w7 w8", "\u0000\u200b...", ""]
    scores, _ = SummaCZS(nli_dir, "sentence").compute(documents, summaries, None)[ZS]
    assert scores is not None and all(-1 <= score <= 1 for score in scores)
    limited = SummaCZS(nli_dir, max_doc_sents=1)
    document = "w5 w6 w7 w8\n\nw20 w21 w22 w23"
    first = limited.compute([document], ["w9 w10 w11 w12"], None)[ZS]
    assert first == limited.compute(["w5 w6 w7 w8"], ["w9 w10 w11 w12"], None)[ZS]


def test_labels_say_model_and_splitter(nli_dir: str) -> None:
    label = SummaCZS(nli_dir, "sentence").labels()[ZS]
    assert label.startswith("NLI ") and label.endswith(f"sentences {sentence_splitter().name}")
    assert "sentences" not in SummaCZS(nli_dir, "paragraph").labels()[ZS]


def test_published_models_and_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def load(self: NliModel) -> Any:
        asked.append(self.model_name)
        raise ConfigError("cannot be loaded: offline")

    monkeypatch.setattr(NliModel, "_load", load)
    for name in ("mnli", "vitc"):
        with pytest.raises(ConfigError, match="be loaded"):
            NliModel(name)
    assert asked == ["roberta-large-mnli", "tals/albert-xlarge-vitaminc-mnli"]
    assert PUBLISHED["mnli"][1:] == (2, 0) and PUBLISHED["vitc"][1:] == (0, 1)


def test_bad_arguments(nli_dir: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='Did you mean "sentence"'):
        SummaCZS(nli_dir, "sentences")
    with pytest.raises(ConfigError, match="at least one must be true"):
        SummaCZS(nli_dir, use_ent=False, use_con=False)
    with pytest.raises(ConfigError, match='labels are label_0, label_1, label_2; name one "entailment"'):
        SummaCZS(save_bert(tmp_path / "unnamed", "ForSequenceClassification", num_labels=3))
    with pytest.raises(ConfigError, match="2 labels, expected 3"):
        SummaCZS(save_bert(tmp_path / "two", "ForSequenceClassification", num_labels=2))
    with pytest.raises(DataError, match="prompts are missing"):
        SummaCZS(nli_dir).compute(None, ["a"], None)
    with pytest.raises(ConfigError, match="start_file is missing"):
        SummaCConv([nli_dir])
    with pytest.raises(ConfigError, match="no such file"):
        SummaCConv([nli_dir], start_file=str(tmp_path / "absent.bin"))
    save_file(head_state(23), tmp_path / "head.safetensors")
    with pytest.raises(ConfigError, match="reads 23 numbers of a histogram, but models, bins and nli_labels give 50"):
        SummaCConv([nli_dir], start_file=str(tmp_path / "head.safetensors"))
    torch.save(head_state(50), tmp_path / "head.bin")
    with pytest.raises(ConfigError, match=r"head\.bin: not a file of safetensors .* a pickle it is not loaded"):
        SummaCConv([nli_dir], start_file=str(tmp_path / "head.bin"))
    for bins in ("even", "odd5", "even0"):
        with pytest.raises(ConfigError, match="bins: expected"):
            SummaCConv([nli_dir], bins=bins, start_file=str(tmp_path / "head.safetensors"))


def test_convolution_on_a_model(nli_dir: str, tmp_path: Path) -> None:
    save_file(head_state(50), tmp_path / "head.safetensors")
    args = {"models": [nli_dir], "granularity": "paragraph", "start_file": str(tmp_path / "head.safetensors")}
    scores, value = MetricRegistry.get("summaCConv", args).compute(texts(6), texts(7)[1:], None)[CONV]
    assert scores is not None and all(0 <= score <= 1 for score in scores) and len(set(scores)) > 3
    assert value == pytest.approx(sum(scores) / 6)
