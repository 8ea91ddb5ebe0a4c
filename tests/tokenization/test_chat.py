"""Conversations as token ids: the template, its special tokens, truncation and the tokens that end a turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.conversations import prompt_of, reading
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.policies.token_facts import resolved
from rl4lms.tokenization.chat import rendered, turn_ends
from rl4lms.tokenization.observation import Observation, encode_prompts
from rl4lms.tokenization.prompt_check import check_prompts
from rl4lms.tokenization.tokenizer import build_tokenizer, save_tokenizer
from rl4lms.training.supervised_data import causal_examples, prompts_and_references
from tests.conftest import ASSISTANT, BOS, CHATML, EOS, TURN, TURN_END, USER, VOCAB, chat_tokenizer, word_tokenizer

ASKED = [{"role": "user", "content": "w20 w21 w22"}]
IDS = [TURN, USER, 20, 21, 22, TURN_END, TURN, ASSISTANT]


def sample(messages: Any = ASKED, references: tuple[str, ...] = ()) -> Sample:
    return Sample("a", reading(messages), list(references), {"messages": messages})


def test_a_sample_is_a_conversation_if_its_text_is_how_its_messages_read() -> None:
    assert prompt_of(sample()) == ASKED
    assert reading([{"role": "system", "content": "s"}, *ASKED]) == "System: s\nUser: w20 w21 w22\nAssistant:"
    for meta in (None, {"messages": ASKED}, {"messages": 3}, {"messages": [{"role": "user"}]}, 5):
        assert prompt_of(Sample("a", "w20", [], meta)) == "w20"  # type: ignore[arg-type]


def test_the_template_writes_the_prompt_with_the_beginning_of_the_answer() -> None:
    tokenizer = chat_tokenizer()
    assert encode_prompts(tokenizer, [ASKED, "w30"], 20) == [IDS, [30]], "a text is no conversation"
    assert list(Observation.init_from_sample(sample(), tokenizer, 20, 5).prompt_ids) == IDS
    theirs = tokenizer.apply_chat_template(ASKED, add_generation_prompt=True, return_dict=False)
    assert theirs == IDS, "as transformers"


def test_bos_is_there_once() -> None:
    writes = chat_tokenizer("{{ bos_token }} " + CHATML, add_bos=True)
    assert encode_prompts(writes, [ASKED, "w30"], 20) == [[BOS, *IDS], [BOS, 30]]
    example = causal_examples(writes, [ASKED], ["w40"], 30)[0]
    assert example["input_ids"] == [BOS, *IDS, 40, TURN_END]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("n", [5, 6, 7, 8, 9])
def test_truncation_keeps_bos_and_the_end_of_the_template(side: str, n: int) -> None:
    tokenizer = chat_tokenizer("{{ bos_token }} " + CHATML)
    ids, whole = encode_prompts(tokenizer, [ASKED], n, side)[0], [BOS, *IDS]
    assert len(ids) == n and ids[0] == BOS and ids[-3:] == [TURN_END, TURN, ASSISTANT]
    assert ids == ([BOS, *whole[10 - n :]] if side == "left" else [*whole[: n - 3], *whole[-3:]])


def test_no_room_for_the_template_is_said() -> None:
    with pytest.raises(ConfigError, match="max_prompt_length: 3 tokens, but the chat template alone .* with 3; allow"):
        encode_prompts(chat_tokenizer(), [ASKED], 3)


def test_the_last_turn_may_hold_words_of_the_template() -> None:
    asked = [{"role": "user", "content": "w20 w21 w22 assistant"}]
    assert encode_prompts(chat_tokenizer(), [asked], 5, "right")[0] == [TURN, USER, TURN_END, TURN, ASSISTANT]


def test_without_a_template_a_model_reads_the_turns() -> None:
    for tokenizer in (word_tokenizer(), chat_tokenizer(None)):
        assert encode_prompts(tokenizer, [ASKED], 30) == encode_prompts(tokenizer, [reading(ASKED)], 30)
        assert turn_ends(tokenizer) == ()


@pytest.mark.parametrize(
    ("template", "ends"),
    [
        (CHATML, (TURN_END,)),
        ("{% for m in messages %}{{ m['role'] + ' ' + m['content'] + ' ' + eos_token }}{% endfor %}", (EOS,)),
        ("{% for m in messages %}{{ m['role'] + ': ' + m['content'] + ' w9 ' }}{% endfor %}", ()),
        ("{{ messages[0]['content'] }}{{ raise_exception('one turn') if messages | length > 1 }}", ()),
    ],
)
def test_a_response_ends_where_the_template_ends_a_turn(template: str, ends: tuple[int, ...]) -> None:
    tokenizer = chat_tokenizer(template)
    assert turn_ends(tokenizer) == ends
    facts = {"eos_token_id": (9,)}
    found = resolved({"eos_token_id": 10}, facts, tokenizer=tokenizer, vocab_size=VOCAB, causal=True, where="g")
    assert set(found["eos_token_id"]) == {EOS, 9, 10, *ends}, "of configuration, model, tokenizer and template"
    few = resolved({}, {}, tokenizer=tokenizer, vocab_size=TURN_END, causal=True, where="g")
    assert TURN_END not in few["eos_token_id"], "a token that the model lacks"


def test_the_choice_of_a_template(chat_model: Path, tmp_path: Path) -> None:
    config = {"model_name": str(chat_model)}
    assert build_tokenizer(config).chat_template == build_tokenizer({**config, "chat_template": "auto"}).chat_template
    assert encode_prompts(build_tokenizer(config), [ASKED], 20) == [IDS]
    none = build_tokenizer({**config, "chat_template": "none"})
    assert none.chat_template is None
    file = tmp_path / "own.jinja"
    file.write_text("{{ messages[0]['content'] }} w50")
    own = build_tokenizer({**config, "chat_template": str(file)})
    assert encode_prompts(own, [ASKED], 20) == [[20, 21, 22, 50]]
    save_tokenizer(own, tmp_path / "saved")
    assert encode_prompts(build_tokenizer({"model_name": str(tmp_path / "saved")}), [ASKED], 20) == [[20, 21, 22, 50]]


@pytest.mark.parametrize("text", [None, "{% for m in %}", "{{ raise_exception('no') }}"])
def test_a_file_that_is_no_template_is_refused_in_one_line(chat_model: Path, tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "own.jinja"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=r"^tokenizer.chat_template: .*own.jinja: .*expected auto, none or") as error:
        build_tokenizer({"model_name": str(chat_model), "chat_template": str(file)})
    assert "\n" not in str(error.value)


def test_a_conversation_that_the_template_refuses_is_found_before_any_work() -> None:
    refusing = "{{ raise_exception('System role not supported') if messages[0]['role'] == 'system' }}"
    wrong = sample([{"role": "system", "content": "w9"}, *ASKED])
    with pytest.raises(DataError, match=r"sample a: the chat template refuses a conversation of system, user \(System"):
        check_prompts(chat_tokenizer(refusing + CHATML), [sample(), wrong], VOCAB, 20)
    with pytest.raises(DataError, match=r'sample a: its prompt holds ".*", the tokenizer\'s id [5-8], but'):
        check_prompts(chat_tokenizer(), [sample([{"role": "user", "content": ""}])], TURN_END, 20)


def test_templates_that_write_a_date_write_the_same_every_day() -> None:
    llama = "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    assert rendered(chat_tokenizer(llama + "{{ date_string }}"), ASKED) == "26 Jul 2024"


def test_supervised_examples_are_what_generation_sees_and_the_end_of_a_turn() -> None:
    prompts, references = prompts_and_references([sample(references=("w40 w41",)), Sample("b", "w30", ["w31"])])
    chat, plain = causal_examples(chat_tokenizer(), prompts, references, 30)
    assert chat["input_ids"] == [*IDS, 40, 41, TURN_END] and chat["n_prompt"] == [len(IDS)]
    assert plain["input_ids"] == [30, 31, EOS]
