from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.envs.text_generation.env import TextGenEnv
from rl4lms.rollouts.scoring import response_of
from rl4lms.tokenization.continuation import Continuation, until_stop
from rl4lms.tokenization.text_task import TextTask
from rl4lms.tokenization.tokenizer import build_tokenizer, load_tokenizer, save_tokenizer, sentinel_tokens, train_bpe
from tests.conftest import llama_tokenizer, word_tokenizer, wordpiece_tokenizer

TEXTS = ["The film was good, the acting was better.", "Der Hund läuft in den Garten."] * 20
ODD = "Émile\tsaid: \n  'no – 日本' <b> "


@pytest.mark.parametrize("flavour", ["gpt2", "t5", "bert"])
def test_every_string_round_trips(flavour):
    tokenizer = train_bpe(TEXTS, 320, flavour=flavour, n_sentinels=4)
    ids = tokenizer(ODD, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == ODD


def test_merges_are_learnt_up_to_the_size_asked_for():
    tokenizer = train_bpe(TEXTS, 300)
    assert len(tokenizer) == 300
    assert len(tokenizer(" acting")["input_ids"]) < len(" acting")


@pytest.mark.parametrize("flavour", ["gpt2", "t5", "bert"])
def test_saved_files_are_equal_bytes_and_load_by_auto_tokenizer(tmp_path, flavour):
    from transformers import AutoTokenizer

    for name in ("a", "b"):
        train_bpe(TEXTS, 320, flavour=flavour, n_sentinels=4).save_pretrained(tmp_path / name)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    plain, auto = load_tokenizer(str(tmp_path / "a")), AutoTokenizer.from_pretrained(tmp_path / "a")
    assert plain(ODD)["input_ids"] == auto(ODD)["input_ids"]
    assert plain.pad_token_id == auto.pad_token_id == 0


@pytest.mark.parametrize("offline", [True, False])
def test_saving_again_does_not_tell_how_it_was_loaded(tmp_path, offline):
    from transformers import AutoTokenizer

    save_tokenizer(train_bpe(TEXTS, 320, flavour="gpt2"), tmp_path / "a")
    save_tokenizer(AutoTokenizer.from_pretrained(tmp_path / "a", local_files_only=offline), tmp_path / "b")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_gpt2_adds_nothing_and_pads_with_eos():
    tokenizer = train_bpe(TEXTS, 300)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == tokenizer.bos_token_id == 0
    assert 0 not in tokenizer("good film")["input_ids"]


def test_t5_ends_in_eos_and_knows_its_sentinels():
    tokenizer = train_bpe(TEXTS, 320, flavour="t5", n_sentinels=4)
    assert [tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id] == [0, 1, 2]
    assert tokenizer("good <extra_id_2>")["input_ids"][-2:] == [5, 1]
    ids = tokenizer.convert_tokens_to_ids(sentinel_tokens(4))
    assert tokenizer.decode(ids, skip_special_tokens=True) == ""


def test_bert_frames_and_folds_case():
    tokenizer = train_bpe(TEXTS, 320, flavour="bert", lowercase=True)
    ids = tokenizer("GOOD")["input_ids"]
    assert ids[0] == tokenizer.cls_token_id and ids[-1] == tokenizer.sep_token_id
    assert ids == tokenizer("good")["input_ids"]


def test_a_vocabulary_without_room_for_the_bytes_is_refused():
    with pytest.raises(ConfigError, match="vocab_size 200, expected at least 257"):
        train_bpe(TEXTS, 200)


def _saved(path: Path, **changes: object) -> str:
    tokenizer = train_bpe(TEXTS, 300)
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    tokenizer.save_pretrained(path)
    return str(path)


def test_build_takes_sides_and_defaults_from_the_section(tmp_path):
    name = _saved(tmp_path)
    tokenizer = build_tokenizer({"model_name": name, "padding_side": "right", "truncation_side": "right"})
    assert (tokenizer.padding_side, tokenizer.truncation_side) == ("right", "right")
    tokenizer = build_tokenizer({"model_name": name})
    assert (tokenizer.padding_side, tokenizer.truncation_side) == ("left", "left")


def test_build_pads_with_eos_only_where_it_may(tmp_path):
    name = _saved(tmp_path, pad_token=None)
    assert build_tokenizer({"model_name": name}).pad_token == "<|endoftext|>"
    with pytest.raises(ConfigError, match="pad_token_as_eos_token: true"):
        build_tokenizer({"model_name": name, "pad_token_as_eos_token": False})


def test_a_directory_without_a_tokenizer_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot be loaded") as error:
        load_tokenizer(str(tmp_path))
    assert "\n" not in str(error.value)


BYTES = train_bpe(["the film was good . bad"] * 9, 270)
JOINED = {  # tokenizer, text, and where its tokens are cut
    "llama": (llama_tokenizer(), "the film was good.", 3),
    "llama, inside a word": (llama_tokenizer(), "the film was badly good", 5),
    "llama, inside a character": (llama_tokenizer(), "the film was é good", 6),
    "llama, nothing before": (llama_tokenizer(), "the film was good", 1),
    "bytes": (BYTES, "the film was good", 5),
    "bytes, inside a character": (BYTES, "the film was é good", len(BYTES("the film was ").input_ids) + 1),
    "wordpiece": (wordpiece_tokenizer(), "the film was good.", 3),
    "wordpiece, inside a word": (wordpiece_tokenizer(), "the film was badly good", 4),
    "words": (word_tokenizer(), "w5 w6 w7", 2),
}


@pytest.mark.parametrize(("tokenizer", "text", "cut"), JOINED.values(), ids=JOINED)
def test_a_continuation_is_what_it_adds_to_its_prompt(tokenizer, text, cut):
    """docs/numerics.md, line 34: what a reader sees of the prompt and the response are together the text."""
    ids = tokenizer(text)["input_ids"]
    prompt, response = ids[:cut], ids[cut:]
    continuation = Continuation(tokenizer, prompt)
    before = continuation.prompt_text.rstrip("\ufffd")  # half a character is replaced by a whole one
    assert before + continuation.text(response) == text
    assert continuation.text([]) == ""
    assert Continuation(tokenizer).text(ids) == text, "an encoder-decoder's response is a text of its own"


def test_a_text_ends_with_the_first_of_all_stop_tokens():
    tokenizer = word_tokenizer()
    prompt, response = [5, 6], [7, 8, 9, 2, 10]
    assert Continuation(tokenizer, prompt).text(response) == " w7 w8 w9 w10"
    assert Continuation(tokenizer, prompt, {2}).text(response) == " w7 w8 w9"
    assert Continuation(tokenizer, prompt, {2, 8}).text(response) == " w7", (
        "a stop token has no text, even if it is a word"
    )
    assert [list(until_stop(response, stops)) for stops in ((), (2,), (7, 2))] == [response, response[:4], [7]]


@pytest.mark.parametrize("kind", ["llama", "wordpiece", "bytes, inside a character"])
@pytest.mark.parametrize("encoder_decoder", [False, True])
def test_stepping_and_scoring_see_the_text_of_the_tokens_that_the_model_saw(kind, encoder_decoder):
    """The prompt is cut to its last two tokens; a reward that joins prompt and text finds no word glued to it."""
    tokenizer, text, cut = JOINED[kind]
    prompt = "bad . " + tokenizer.decode(tokenizer(text)["input_ids"][:cut], skip_special_tokens=True).strip("\ufffd ")
    response = [*tokenizer(text)["input_ids"][cut:], tokenizer.eos_token_id, 5]
    sample = Sample("a", prompt, ["good"])
    arguments: dict[str, Any] = {"max_episode_length": len(response), "max_prompt_length": 2}
    task = TextTask(tokenizer, None, [(sample, 1.0)], **arguments, encoder_decoder=encoder_decoder)
    env = TextGenEnv(tokenizer, None, [(sample, 1.0)], **arguments, encoder_decoder=encoder_decoder)
    env.reset(sample=sample)
    info: dict[str, Any] = {}
    for token in response:
        *_, info = env.step(token)
    seen = task.first_observation(sample).prompt_ids
    assert len(seen) == 2
    scored = response_of(task, sample, response, True)
    assert info["output"] == scored.text == response_of(task, sample, response, True, seen).text
    plain = tokenizer.decode(response[:-2], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert scored.text == (plain if encoder_decoder else Continuation(tokenizer, seen).text(response[:-2]))
    if kind == "llama" and not encoder_decoder:
        assert prompt + scored.text == "bad . the film was good."


def test_a_prompt_is_decoded_once(monkeypatch):
    tokenizer = llama_tokenizer()
    decoded: list[int] = []
    decode = type(tokenizer).decode
    monkeypatch.setattr(
        type(tokenizer), "decode", lambda self, ids, **kw: decoded.append(len(ids)) or decode(self, ids, **kw)
    )
    sample = Sample("a", "the film was", ["good"])
    observation = TextTask(tokenizer, None, [(sample, 1.0)]).first_observation(sample)
    texts = []
    for token in (7, 8, 9):
        observation = observation.update(token)
        texts.append(observation.context_text)
    assert texts == [" good", " good bad", " good bad ."]
    assert decoded.count(len(observation.prompt_ids)) == 1


def test_ids_above_the_number_of_tokens_have_their_text() -> None:
    """A vocabulary may have gaps, and ids that it lacks have no text."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"a": 0, "b": 7}, unk_token="a"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    assert Continuation(tokenizer).text([7, 3, 0, 9]) == "b a"
    tokenizer.add_tokens(["c"])
    (added,) = tokenizer.convert_tokens_to_ids(["c"])
    assert Continuation(tokenizer).text([7, added]).split() == ["b", "c"]
