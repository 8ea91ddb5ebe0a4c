"""How text is decoded: lengths, what a rollout may use, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from rl4lms.config.generation import GenerationConfig, check_rollout, read_generation, share_token_facts
from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError


def read(value: Any) -> GenerationConfig:
    return read_generation(value, "g", "f.yml")


def test_defaults_are_those_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.GenerationConfig()
    for name in GenerationConfig().to_dict():
        found = getattr(theirs, name)
        # transformers 5 keeps None for a value that its generate() fills in with these same numbers
        assert found is None or found == getattr(GenerationConfig(), name), name
    assert GenerationConfig().top_k == 50


def test_round_trip_and_length() -> None:
    generation = read({"do_sample": True, "top_p": 0.9, "post_processing_fn": {"id": "three_sentence_summary"}})
    assert read(generation.to_dict()) == generation
    assert generation.post_processing_fn == "three_sentence_summary"
    assert generation.with_length(12).max_new_tokens == 12
    assert read({"max_new_tokens": 5}).with_length(12).max_new_tokens == 5
    assert read({"max_length": 21}) == GenerationConfig(max_new_tokens=20)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"topk": 5}, 'f.yml: g: unknown key "topk". Did you mean "top_k"? Known: '),
        ({"top_p": 1.2}, "f.yml: g.top_p: expected a share in (0, 1], found 1.2."),
        ({"temperature": 0}, "f.yml: g.temperature: expected a number > 0, found 0."),
        ({"min_length": 9, "max_new_tokens": 8}, "f.yml: g.min_length: expected at most max_new_tokens 8, found 9."),
        ({"max_length": 1}, "f.yml: g.max_length: expected at least 2, the start token and one more, found 1."),
        ({"stop_string": ["x"]}, 'f.yml: g: unknown key "stop_string". Did you mean "stop_strings"?'),
        ({"stop_strings": ["x", ""]}, 'f.yml: g.stop_strings: found "", which every text has;'),
        ({"stop_strings": "x"}, "f.yml: g.stop_strings: expected a list"),
        ({"stop_strings": ["x"], "num_beams": 2}, "f.yml: g.stop_strings: not searched for by beams;"),
        ({"stop_strings": ["x"], "min_length": 2}, "f.yml: g.min_length: 2, but a stop string may be complete before"),
        ({"bad_words_ids": [[4], []]}, "f.yml: g.bad_words_ids: found a word without a token"),
        ({"suppress_tokens": [-1]}, "f.yml: g.suppress_tokens"),
        ({"max_length": 9, "max_new_tokens": 8}, "f.yml: g: max_length and max_new_tokens both given; keep max_new"),
        ({"post_processing_fn": "x"}, 'f.yml: g.post_processing_fn: unknown post-processor "x". Known: three_sent'),
    ],
)
def test_refusals(value: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(value)
    assert str(error.value).startswith(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, "f.yml: g.do_sample: expected true: a rollout samples."),
        (
            {"do_sample": True, "num_beams": 4},
            "g.num_beams: a rollout is narrowed by temperature, top_k, top_p, min_length",
        ),
        ({"do_sample": True, "repetition_penalty": 1.1}, "g.repetition_penalty: a rollout is narrowed by"),
    ],
)
def test_a_rollout_samples_from_what_it_can_record(value: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_rollout(read(value), "g", "f.yml")
    assert expected in str(error.value)


def test_a_rollout_takes_every_sampling_argument() -> None:
    check_rollout(
        read({"do_sample": True, "temperature": 0.7, "top_k": 5, "top_p": 0.9, "min_length": 3, "max_new_tokens": 9}),
        "g",
        "f.yml",
    )


def test_token_facts_are_read_and_are_the_runs() -> None:
    given = {"eos_token_id": 2, "forced_bos_token_id": 7, "suppress_tokens": [1, 3], "bad_words_ids": [[4], [5, 6]]}
    generation = read(given)
    assert generation.shared() == {
        "eos_token_id": (2,), "forced_bos_token_id": 7, "suppress_tokens": (1, 3), "bad_words_ids": ((4,), (5, 6)),
    }  # fmt: skip
    assert read(generation.to_dict()).to_dict() == generation.to_dict()
    check_rollout(read({"do_sample": True, **given}), "g", "f.yml")
    both = share_token_facts(generation, read({"forced_eos_token_id": [2]}), "e", "f.yml")
    assert [each.shared() for each in both if each] == [generation.shared() | {"forced_eos_token_id": (2,)}] * 2
    with pytest.raises(ConfigError, match="f.yml: e.forced_bos_token_id: 8 contradicts 7 of alg.policy"):
        share_token_facts(generation, read({"forced_bos_token_id": 8}), "e", "f.yml")


def test_stop_strings_are_the_runs() -> None:
    stops = read({"do_sample": True, "stop_strings": ["###", "Q:"]})
    check_rollout(stops, "g", "f.yml")
    for both in (share_token_facts(stops, read({}), "e", "f.yml"), share_token_facts(read({}), stops, "e", "f.yml")):
        assert [each.stop_strings for each in both if each] == [("###", "Q:")] * 2
    with pytest.raises(ConfigError, match="f.yml: e.stop_strings: .'Q:',. contradicts"):
        share_token_facts(stops, read({"stop_strings": ["Q:"]}), "e", "f.yml")
    with pytest.raises(ConfigError, match="f.yml: e.stop_strings: not searched for by beams"):
        share_token_facts(stops, read({"num_beams": 4}), "e", "f.yml")


@pytest.mark.parametrize("name", ["max_length", "decoder_start_token_id"])
def test_what_is_of_encoder_decoders_is_refused_of_others(name: str) -> None:
    with pytest.raises(ConfigError, match=f"g.{name}: is of encoder-decoder models"):
        read_generation({name: 9}, "g", "f.yml", causal=True)
    assert read_generation({name: 9}, "g", "f.yml")


@pytest.mark.parametrize(
    ("rollout", "evaluation", "lengths"),
    [({}, None, (20, 20)), ({"max_new_tokens": 8}, None, (8, 8)), ({"max_new_tokens": 8}, {}, (8, 8)),
     ({}, {"max_new_tokens": 30}, (20, 30))],
)  # fmt: skip
def test_one_rule_for_lengths(on_policy: dict[str, Any], rollout: Any, evaluation: Any, lengths: Any) -> None:
    """The policy's max_new_tokens is the length of an episode and, unless it has its own, of an evaluated text."""
    on_policy["alg"]["policy"]["args"]["generation_kwargs"] |= rollout
    if evaluation is not None:
        on_policy["train_evaluation"]["generation_kwargs"] = evaluation
    config = RunConfig.from_dict(on_policy)
    own = config.alg.policy.generation  # type: ignore[union-attr]
    assert (own.max_new_tokens, (config.train_evaluation.generation_kwargs or own).max_new_tokens) == lengths


@pytest.mark.parametrize(
    ("rollout", "evaluation", "message"),
    [({"max_new_tokens": 21}, None, "max_new_tokens: 21, but an episode ends after env.args.max_episode_length 20"),
     ({"min_length": 21}, None, "min_length: expected at most max_new_tokens 20, found 21"),
     ({}, {"min_length": 21}, "train_evaluation.generation_kwargs.min_length: expected at most max_new_tokens 20"),
     ({"max_new_tokens": 8}, {"min_length": 9}, "min_length: expected at most max_new_tokens 8, found 9")],
)  # fmt: skip
def test_lengths_that_contradict(on_policy: dict[str, Any], rollout: Any, evaluation: Any, message: str) -> None:
    on_policy["alg"]["policy"]["args"]["generation_kwargs"] |= rollout
    if evaluation is not None:
        on_policy["train_evaluation"]["generation_kwargs"] = evaluation
    with pytest.raises(ConfigError) as error:
        RunConfig.from_dict(on_policy)
    assert message in str(error.value)


def test_a_supervised_runs_evaluation_shares_its_token_ids(supervised: dict[str, Any]) -> None:
    """Two sections are one set of tokens, and the log says which of them decodes."""
    supervised["alg"]["generation_kwargs"] = {"max_new_tokens": 9, "forced_bos_token_id": 7}
    supervised["train_evaluation"]["generation_kwargs"] = {"num_beams": 4}
    config = RunConfig.from_dict(supervised)
    decoding = config.train_evaluation.generation_kwargs
    assert decoding is not None
    assert (decoding.num_beams, decoding.max_new_tokens, decoding.forced_bos_token_id) == (4, 9, 7)
    assert any("decodes by train_evaluation.generation_kwargs alone" in line for line in config.notices)
