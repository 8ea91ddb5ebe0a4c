"""How text is decoded: lengths, what a rollout may use, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from rl4lms.config.generation import GenerationConfig, check_rollout, read_generation
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
