import math
from typing import Any

import pytest
import torch

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.metrics.perplexity import Perplexity, sliding_windows, token_nlls
from tests.conftest import BOS, tiny_model, word_tokenizer

KEY = "fluency_metrics/perplexity"
TEXT = " ".join(f"w{4 + (7 * i) % 59}" for i in range(150))


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_model("gpt2")  # 128 positions


def reference_ids(text: str) -> Any:
    return word_tokenizer()(text, return_tensors="pt", truncation=False).input_ids[0]


def slow_nlls(model: Any, ids: Any, stride: int, context: int = 128) -> list[float]:
    """Each token by a forward of its own, over exactly the tokens its window shows it."""
    nlls = []
    for position in range(1, len(ids)):
        window_start = position // stride * stride
        begin = max(window_start + stride - context, 0)
        if begin == position:
            continue
        with torch.no_grad():
            logits = model(ids[None, begin:position]).logits[0, -1].double()
        nlls.append(-torch.log_softmax(logits, dim=-1)[ids[position]].item())
    return nlls


@pytest.mark.parametrize("stride", [10, 64, 128])
def test_equals_one_forward_a_token(model: Any, language_model_dir: str, stride: int) -> None:
    nlls = slow_nlls(model, reference_ids(TEXT), stride)
    expected = math.exp(math.fsum(nlls) / len(nlls))
    for batch_size in (1, 3):
        metric = Perplexity(stride, language_model_dir, batch_size=batch_size)
        scores, value = metric.compute(None, ["x"], [[TEXT]], model=model)[KEY]
        assert scores is None
        assert value == pytest.approx(expected, rel=1e-5)


def test_uniform_model_has_the_vocabulary_as_perplexity(language_model_dir: str) -> None:
    flat = tiny_model("gpt2")
    with torch.no_grad():
        for parameter in flat.parameters():
            parameter.zero_()
    value = Perplexity(16, language_model_dir).compute(None, ["x"], [["w4 w5 w6"]], model=flat)[KEY][1]
    assert value == pytest.approx(flat.config.vocab_size, rel=1e-6)


def test_windows_score_every_token_once() -> None:
    for n, stride, context in ((150, 10, 128), (5, 10, 128), (128, 128, 128), (300, 7, 20)):
        windows = sliding_windows(n, stride, context)
        scored = [t for w in windows for t in range(w.end - w.n_targets, w.end)]
        assert scored == list(range(n))
        assert all(w.end - w.begin <= context for w in windows)


def test_references_are_joined_and_meta_data_may_replace_them(model: Any, language_model_dir: str) -> None:
    joined = Perplexity(32, language_model_dir).compute(None, ["a", "b"], [["w4 w5", "w6 w7"], ["w8 w9"]], model=model)
    single = Perplexity(32, language_model_dir).compute(None, ["a"], [["w4 w5\n\nw6 w7\n\nw8 w9"]], model=model)
    meta = Perplexity(32, language_model_dir, use_text_from_meta_data=True)
    infos = [{"reference": "w4 w5 w6 w7"}, {"reference": "w8 w9"}]
    assert joined == single == meta.compute(None, ["a", "b"], None, infos, model=model)
    with pytest.raises(DataError, match='text 1 has no "reference"'):
        meta.compute(None, ["a", "b"], None, [infos[0], {}], model=model)


def test_generations_by_themselves(model: Any, language_model_dir: str) -> None:
    metric = Perplexity(32, language_model_dir, texts="generations", batch_size=2)
    prompts, texts = ["w4 w5 ", "w6 ", "w7 w8 "], ["w9 w10", "w11", "w12 w13"]
    scores, value = metric.compute(prompts, texts, None, model=model)["fluency_metrics/generation_perplexity"]
    assert scores is not None
    total, count = 0.0, 0
    for prompt, text, score in zip(prompts, texts, scores, strict=True):
        ids = torch.cat([torch.tensor([BOS]), reference_ids(prompt + text)])
        nlls = slow_nlls(model, ids, 128)
        assert score == pytest.approx(math.exp(sum(nlls) / len(nlls)), rel=1e-5)
        total, count = total + sum(nlls), count + len(nlls)
    assert value == pytest.approx(math.exp(total / count), rel=1e-5)
    with pytest.raises(DataError, match="text 0 is empty"):
        metric.compute([""], [""], None, model=model)


def test_model_by_name_and_modes(model: Any, language_model_dir: str) -> None:
    named = Perplexity(32, model_name=language_model_dir).compute(None, ["x"], [[TEXT]])[KEY][1]
    model.train()
    given = Perplexity(32, language_model_dir).compute(None, ["x"], [[TEXT]], model=model)[KEY][1]
    assert model.training
    assert named == pytest.approx(given, rel=1e-6)
    model.eval()
    assert Perplexity(32, language_model_dir).compute(None, ["x"], [[TEXT]], split_name="train") == {}


def test_token_nlls_are_float64_of_float32_logits(model: Any) -> None:
    ids = torch.tensor([[4, 5, 6, 7], [8, 9, 10, 11]])
    with torch.no_grad():
        nlls = token_nlls(model, ids, 2)
        expected = -torch.log_softmax(model(ids).logits, dim=-1)[:, 1:3].gather(2, ids[:, 2:, None])[..., 0]
    assert nlls.dtype == torch.float64
    assert torch.allclose(nlls, expected.double(), atol=1e-5)


def test_bad_arguments(model: Any, language_model_dir: str) -> None:
    with pytest.raises(ConfigError, match="model_type"):
        Perplexity(8, language_model_dir, model_type="seq2seq")
    with pytest.raises(ConfigError, match="tokenizer_id"):
        Perplexity(8)
    with pytest.raises(ConfigError, match='Did you mean "references"'):
        Perplexity(8, language_model_dir, texts="reference")
    with pytest.raises(ConfigError, match="stride 129 exceeds"):
        Perplexity(129, language_model_dir).compute(None, ["x"], [[TEXT]], model=model)
    with pytest.raises(ConfigError, match="no model"):
        Perplexity(8, language_model_dir).compute(None, ["x"], [[TEXT]])
    with pytest.raises(ConfigError, match="cannot be loaded"):
        Perplexity(8, "no/such/tokenizer").compute(None, ["x"], [[TEXT]], model=model)
    with pytest.raises(DataError, match="too few"):
        Perplexity(8, language_model_dir).compute(None, ["x"], [[""]], model=model)
