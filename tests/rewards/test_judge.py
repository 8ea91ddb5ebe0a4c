"""The judge: the numbers of one plain forward a text, whatever the batch; what it is asked; what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.tables import RewardFunctionRegistry
from tests.conftest import tiny_model, word_tokenizer

TEMPLATE = "{% for m in messages %}w1 {{ m['role'] }} w2 {{ m['content'] }} w3 {% endfor %}w4"
PROMPTS = ["w5 w6", "w7", "w8 w9 w10 w11 w12", "w13"]
TEXTS = ["w20", "w21 w22 w23", "", "w24 w25 w26 w27"]
REFERENCES = [["w30"], ["w31"], ["w32"], ["w33"]]
INFOS = [{"topic": f"w{40 + i}"} for i in range(4)]
SCALES = {"gpt2": 20.0, "llama": 20.0, "gpt_neox": 1.0}  # of the head, so that its answers are not about as likely
ARGS: dict[str, Any] = {
    "question": "w50 {prompt} w51 {completion} w52 {topic} {reference}",
    "answers": {"w60": 1.0, "w61": -2.0, "w62": 0.5},
}


@pytest.fixture(scope="module", params=["gpt2", "llama", "gpt_neox"])
def judge_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved(tmp_path_factory.mktemp(request.param), request.param)


def saved(path: Path, family: str = "gpt2", template: str | None = None) -> str:
    torch.manual_seed(5)
    model = tiny_model(family)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(SCALES[family])
    model.save_pretrained(path)
    tokenizer = word_tokenizer()
    tokenizer.chat_template = template
    tokenizer.save_pretrained(path)
    return str(path)


def expected(path: str, asked: str, answers: dict[str, float], *, special: bool = True) -> float:
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModelForCausalLM.from_pretrained(path).eval()
    ids = torch.tensor([tokenizer(asked, add_special_tokens=special).input_ids])
    with torch.no_grad():
        chances = model(input_ids=ids).logits[0, -1].double().softmax(-1)
    tokens = {tokenizer(answer, add_special_tokens=False).input_ids[0]: score for answer, score in answers.items()}
    return float(sum(chances[t] * s for t, s in tokens.items()) / sum(chances[t] for t in tokens))


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_score_is_of_the_answers_chances_in_one_forward(judge_dir: str, batch_size: int) -> None:
    reward = RewardFunctionRegistry.get("judge", {"model_name": judge_dir, **ARGS, "batch_size": batch_size})
    scores = reward(PROMPTS, TEXTS, REFERENCES, [True, True, False, True], INFOS)
    assert scores[2] == 0.0, "not finished"
    for i in (0, 1, 3):
        asked = f"w50 {PROMPTS[i]} w51 {TEXTS[i]} w52 {INFOS[i]['topic']} {REFERENCES[i][0]}"
        assert scores[i] == pytest.approx(expected(judge_dir, asked, ARGS["answers"]), abs=1e-5)
    assert len({round(score, 3) for score in scores}) == 4, "the texts make a difference"


def test_a_chat_model_is_asked_by_its_template(tmp_path: Path) -> None:
    path = saved(tmp_path, template=TEMPLATE)
    args = {"model_name": path, "question": "w50 {completion}", "answers": ARGS["answers"], "system": "w9"}
    (score,) = RewardFunctionRegistry.get("judge", args)(["w5"], ["w20 w21"], [[]], [True])
    asked = "w1 system w2 w9 w3 w1 user w2 w50 w20 w21 w3 w4"
    assert score == pytest.approx(expected(path, asked, ARGS["answers"], special=False), abs=1e-5)


def test_a_text_cannot_fill_in_fields_of_its_own(judge_dir: str) -> None:
    """{prompt} in a text stays as it is, and so do other braces of the question."""
    args = {"model_name": judge_dir, **ARGS, "question": 'w50 {completion} {"w1": {}}'}
    (score,) = RewardFunctionRegistry.get("judge", args)(["w5"], ["{prompt} {nothing}"], [[]], [True])
    assert score == pytest.approx(expected(judge_dir, 'w50 {prompt} {nothing} {"w1": {}}', ARGS["answers"]), abs=1e-5)


def test_a_prompt_that_is_too_long_loses_its_beginning(judge_dir: str) -> None:
    args = {"model_name": judge_dir, **ARGS, "question": "w50 {prompt} w51 {completion}"}
    reward = RewardFunctionRegistry.get("judge", args)
    long = " ".join(f"w{5 + i % 50}" for i in range(1000))
    assert reward([long], ["w20"], [[]], [True]) == reward([f"w7 w8 {long}"[-len(long) :]], ["w20"], [[]], [True])
    assert len(reward._ids(long, "w20", [], None)) <= reward._longest < 1000
    with pytest.raises(DataError, match="reward judge: .* tokens of .*; ask in fewer"):
        reward(["w5"], [long], [[]], [True])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"question": "w50 {prompt}"}, "question has no {completion}"),
        ({"answers": {"w60 w1": 1.0, "w60 w2": 0.0}}, "'w60 w2' has the same first token as 'w60 w1'"),
        ({"answers": {"w60": 1.0, "w61": 1.0}}, "at least two, with different scores"),
        ({"answers": {"": 1.0, "w61": 0.0}}, "'' has no token"),
        ({"system": "w9"}, "has no chat template"),
    ],
)
def test_what_cannot_be_asked_is_refused(judge_dir: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match="reward judge: ") as error:
        RewardFunctionRegistry.get("judge", {"model_name": judge_dir, **ARGS, **changes})
    assert said in str(error.value)


def test_a_column_that_a_row_lacks_is_named(judge_dir: str) -> None:
    reward = RewardFunctionRegistry.get("judge", {"model_name": judge_dir, **ARGS})
    with pytest.raises(DataError, match="{topic} is no column of the row; it has other, reference, completion, prompt"):
        reward(["w5"], ["w20"], [["w30"]], [True], [{"other": 1}])
