"""Texts of samples (docs/numerics.md, line 33): every decoder obeys one configuration, and each sample stands alone."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from rl4lms.core.errors import ConfigError
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.evaluation.generation import TextGenerator
from rl4lms.policies.token_rules import History, penalise_repetition
from tests.conftest import EOS, PAD, tiny_model, word_tokenizer

N = 7
PROMPTS = [" ".join(f"w{4 + (7 * i + 5 * j) % 60}" for j in range(1 + i * 5 % 7)) for i in range(9)]
SAMPLES = [Sample(str(i), prompt, ["w5"]) for i, prompt in enumerate(PROMPTS)]
DECODERS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "greedy, penalties": {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    "sampling": {"do_sample": True, "temperature": 2.0},
    "sampling, penalties": {"do_sample": True, "temperature": 2.0, "repetition_penalty": 1.3},
    "beams": {"num_beams": 3},
    "beams, penalties": {"num_beams": 3, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    "sampled beams": {"num_beams": 2, "do_sample": True, "temperature": 2.0},
}
FAMILIES = ["gpt2", "t5"]
# BART's positions are absolute, so that padding on the wrong side of its encoder shows.
EVERY_DECODER = [(family, decoder) for family in FAMILIES for decoder in DECODERS] + [("bart", "beams")]


def generator(model: Any, batch_size: int = 9, pad_is_eos: bool = True, **settings: Any) -> TextGenerator:
    return TextGenerator(
        model,
        word_tokenizer(pad_is_eos),
        generation={"max_new_tokens": N, "top_k": 0, **settings},
        max_prompt_length=8,
        batch_size=batch_size,
        seed=3,
    )


def decode(model: Any, batch_size: int = 9, **settings: Any) -> list[list[int]]:
    return generator(model, batch_size, **settings).generate(SAMPLES).token_ids


@pytest.mark.parametrize(("family", "decoder"), EVERY_DECODER)
def test_a_text_depends_on_neither_its_batch_nor_the_global_generator(family, decoder):
    model, settings = tiny_model(family), DECODERS[decoder]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    whole = decode(model, 9, **settings)
    assert torch.equal(torch.get_rng_state(), before), "the global generator was moved"
    for batch_size in (1, 4):
        torch.manual_seed(batch_size)
        assert decode(model, batch_size, **settings) == whole
    if settings.get("do_sample"):
        equal = Sample("x", PROMPTS[0], ["w5"])
        texts = generator(model, 2, **settings).generate([equal] * 6).token_ids
        assert len({tuple(row) for row in texts}) > 3, "one stream a sample: equal prompts get texts of their own"


def test_beams_read_an_encoders_prompts_from_its_first_position(monkeypatch):
    """BART numbers the positions of its encoder from the left, padding or not."""
    model, masks = tiny_model("bart"), []
    generate = model.generate

    def recorded(**given: Any) -> Any:
        masks.append(given["attention_mask"])
        return generate(**given)

    monkeypatch.setattr(model, "generate", recorded)
    decode(model, num_beams=2)
    (mask,) = masks
    assert not mask.all()
    assert (mask[:, 1:] <= mask[:, :-1]).all()


def test_padding_is_no_repetition():
    history = History(torch.tensor([[9, 9, 4], [9, 5, 4]]), torch.tensor([[False, False, True], [True, True, True]]))
    penalised = penalise_repetition(torch.ones(2, 10), history, 2.0)
    expected = torch.ones(2, 10)
    expected[0, 4] = expected[1, 4] = expected[1, 5] = expected[1, 9] = 0.5
    assert torch.equal(penalised, expected)


@pytest.mark.parametrize("sampling", [{}, {"do_sample": True}, {"do_sample": True, "top_k": 5, "temperature": 1.5}])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_option_that_changes_nothing_changes_no_text(family, sampling):
    model = tiny_model(family)
    plain = decode(model, **sampling)
    for harmless in (
        {"repetition_penalty": 1 + 1e-9},
        {"no_repeat_ngram_size": 40},
        {"num_beams": 1, "length_penalty": 2.0},
        {"bad_words_ids": [[4] * 30]},
        {"pad_token_id": 5},
        {"eos_token_id": [EOS]},
    ):
        assert decode(model, **sampling, **harmless) == plain, harmless


NOT_TAKEN = {
    "temperature": 0.01, "top_k": 1, "repetition_penalty": 9.0, "min_length": 60, "max_time": 1e-9, "num_beams": 4,
    "guidance_scale": 3.0, "stop_strings": ["w9"], "return_dict_in_generate": True, "do_sample": True,
    "no_repeat_ngram_size": 1, "max_length": 3, "exponential_decay_length_penalty": (0, 9.0),
}  # fmt: skip


@pytest.mark.parametrize(("family", "decoder"), EVERY_DECODER)
def test_of_the_models_own_settings_only_token_facts_are_taken(family, decoder):
    model, settings = tiny_model(family), DECODERS[decoder]
    plain = decode(model, **settings)
    model.generation_config.update(**NOT_TAKEN)
    assert decode(model, **settings) == plain
    assert model.generation_config.stop_strings == ["w9"], "and are left as they were"
    # What the first texts have most of is what is taken out, and what they stop with is added to.
    common = torch.tensor(list(itertools.chain(*plain))).bincount(minlength=64).argsort(descending=True).tolist()
    stop, suppressed, bad, begun, follows = [t for t in common if t not in (PAD, EOS)][:5]
    model.generation_config.update(
        eos_token_id=[EOS, stop], suppress_tokens=[suppressed], bad_words_ids=[[bad], [begun, follows]],
        begin_suppress_tokens=[begun],
    )  # fmt: skip
    rows = decode(model, **settings)
    assert rows != plain
    ended = [row for row in rows if row[-1] in (EOS, stop)]
    assert "num_beams" in settings or any(row[-1] == stop for row in ended), "no text met the second stop token"
    for row in rows:
        assert not {EOS, stop} & set(row[:-1]) and (row in ended or len(row) == N)
        assert not {suppressed, bad} & set(row) and row[0] != begun
        assert (begun, follows) not in list(itertools.pairwise(row))


@pytest.mark.parametrize(("family", "decoder"), EVERY_DECODER)
def test_forced_tokens_are_forced_in_every_decoder(family, decoder):
    model = tiny_model(family)
    facts = {"forced_bos_token_id": 33, "forced_eos_token_id": [34]}
    rows = decode(model, **DECODERS[decoder], **facts, min_length=N, suppress_tokens=[33, 34])
    assert all(row[0] == 33 and row[-1] == 34 and len(row) == N for row in rows)
    assert not {33, 34} & {token for row in rows for token in row[1:-1]}
    model.generation_config.update(**facts)
    rows = decode(model, **DECODERS[decoder])
    first = {row[0] for row in rows}
    assert (first == {33}) is (family != "gpt2"), "a decoder-only model's file says it of a decoder it is not"
    assert all(row[-1] in (34, EOS) for row in rows)


@pytest.mark.parametrize("decoder", ["greedy", "greedy, penalties", "beams", "beams, penalties"])
@pytest.mark.parametrize("family", FAMILIES)
def test_decoding_equals_transformers_where_both_obey(family, decoder):
    model = tiny_model(family)
    facts = {"eos_token_id": [EOS, 9], "suppress_tokens": [17], "bad_words_ids": [[20], [21, 22]],
             "forced_eos_token_id": EOS} | ({} if family == "gpt2" else {"forced_bos_token_id": 33})  # fmt: skip
    rows = decode(model, **DECODERS[decoder], **facts)
    for prompt, row in zip(PROMPTS, rows, strict=True):
        ids = word_tokenizer()(prompt, return_tensors="pt").input_ids
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=N, pad_token_id=PAD, **DECODERS[decoder], **facts
        )[0, 1 if model.config.is_encoder_decoder else ids.shape[1] :].tolist()
        assert row == out[: len(row)] and set(out[len(row) :]) <= {PAD}


@pytest.mark.parametrize("name", ["max_time", "guidance_scale", "num_return_sequences", "min_p"])
def test_what_no_decoder_here_can_do_is_refused_by_name(name):
    with pytest.raises(ConfigError, match=f'^evaluation: generation: unknown key "{name}"'):
        generator(tiny_model("gpt2"), **{name: 1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"suppress_tokens": [5, 64]}, "generation.suppress_tokens: 64, but the model has 64 tokens"),
        ({"bad_words_ids": [[5, 99]]}, "generation.bad_words_ids: 99, but the model has 64"),
        ({"suppress_tokens": list(range(64))}, "generation: its suppressed tokens leave none of 64"),
        ({"decoder_start_token_id": 5}, "generation.decoder_start_token_id: the model is decoder-only"),
    ],
)
def test_token_facts_that_the_model_cannot_obey_are_refused(settings, message):
    with pytest.raises(ConfigError) as error:
        generator(tiny_model("gpt2"), **settings)
    assert message in str(error.value)


def test_an_encoder_decoder_starts_where_it_is_told():
    model = tiny_model("bart")
    before = decode(model)
    assert decode(model, decoder_start_token_id=40) != before
    assert model.config.decoder_start_token_id == 40, "what scores the texts begins with it, too"


def test_texts_are_post_processed_and_continue_their_prompts():
    from rl4lms.core.tables import PostProcessorRegistry

    PostProcessorRegistry.add("shout_test", lambda text: text.upper())
    model = tiny_model("gpt2")
    plain, loud = (generator(model, **s)(SAMPLES) for s in ({}, {"post_processing_fn": "shout_test"}))
    assert loud == [text.upper() for text in plain]
    assert all(text.startswith(" ") for text in plain), "a word after a prompt begins with a space"
    assert not any(text.startswith(" ") for text in generator(tiny_model("t5"))(SAMPLES))
