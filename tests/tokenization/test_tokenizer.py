from __future__ import annotations

from pathlib import Path

import pytest

from rl4lms.core.errors import ConfigError
from rl4lms.tokenization.tokenizer import build_tokenizer, load_tokenizer, save_tokenizer, sentinel_tokens, train_bpe

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
