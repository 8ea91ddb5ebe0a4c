"""How text is decoded: the published `generation_kwargs`, typed and closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from rl4lms.config.published import published
from rl4lms.config.reader import Count, Natural, Positive, join, mapping, plain, read, where
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.tables import PostProcessorRegistry


@dataclass(frozen=True)
class GenerationConfig:
    """Names and defaults of transformers' generation, except that lengths count response tokens alone.

    max_new_tokens: None becomes the episode length of the environment. max_length: for encoder-decoder models, whose
    decoder counts its start token: max_new_tokens + 1. top_k: 0 turns it off.
    """

    do_sample: bool = published("generation_kwargs.do_sample")
    temperature: Positive = published("generation_kwargs.temperature")
    top_k: Natural = published("generation_kwargs.top_k")
    top_p: Positive = published("generation_kwargs.top_p")
    min_length: Natural = published("generation_kwargs.min_length")
    max_new_tokens: Count | None = None
    max_length: Count | None = None
    num_beams: Count = published("generation_kwargs.num_beams")
    no_repeat_ngram_size: Natural = published("generation_kwargs.no_repeat_ngram_size")
    repetition_penalty: Positive = published("generation_kwargs.repetition_penalty")
    length_penalty: float = published("generation_kwargs.length_penalty")
    early_stopping: bool = published("generation_kwargs.early_stopping")
    post_processing_fn: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Every key that is set, defaults included; `from_dict` of it gives an equal object."""
        result: dict[str, Any] = plain(self)
        return result

    def with_length(self, max_new_tokens: int) -> GenerationConfig:
        """The same with a length, where none is given."""
        return self if self.max_new_tokens is not None else replace(self, max_new_tokens=max_new_tokens)


def read_generation(value: Any, path: str, source: str) -> GenerationConfig:
    """The section at `path`. Raises ConfigError for what cannot be decoded together."""
    given = mapping(value, path, source)
    post_processor = given.get("post_processing_fn")
    if isinstance(post_processor, Mapping) and set(post_processor) == {"id"}:  # as published
        given["post_processing_fn"] = post_processor["id"]
    g: GenerationConfig = read(GenerationConfig, given, path, source)
    here = where(source, path)
    if g.top_p > 1:
        raise ConfigError(f"{here}.top_p: expected a share in (0, 1], found {g.top_p}.")
    if g.max_length is not None:
        if g.max_new_tokens is not None:
            raise ConfigError(f"{here}: max_length and max_new_tokens both given; keep max_new_tokens.")
        g = replace(g, max_new_tokens=max(g.max_length - 1, 1), max_length=None)
    if g.max_new_tokens is not None and g.min_length > g.max_new_tokens:
        raise ConfigError(
            f"{here}.min_length: expected at most max_new_tokens {g.max_new_tokens}, found {g.min_length}."
        )
    if g.post_processing_fn is not None and g.post_processing_fn not in PostProcessorRegistry.table:
        known = PostProcessorRegistry.table.ids()
        raise ConfigError(unknown("post-processor", g.post_processing_fn, known, f"{here}.post_processing_fn"))
    return g


# A rollout records what it sampled from as an action mask; only these narrow the choice in a way a mask can say.
SAMPLING = ("do_sample", "temperature", "top_k", "top_p", "min_length", "max_new_tokens")


def check_rollout(generation: GenerationConfig, path: str, source: str) -> None:
    """Raises ConfigError for a decoding that no policy gradient can be taken of."""
    here = where(source, path)
    if not generation.do_sample:
        raise ConfigError(
            f"{here}.do_sample: expected true: a rollout samples. Greedy and beam search are for evaluation."
        )
    neutral = GenerationConfig()
    for field in fields(GenerationConfig):
        value = getattr(generation, field.name)
        if field.name not in SAMPLING and value != getattr(neutral, field.name):
            raise ConfigError(
                f"{join(here, field.name)}: a rollout is narrowed by {', '.join(SAMPLING[1:5])} alone; "
                f"move {field.name} to train_evaluation.generation_kwargs."
            )


def notice_top_k(given: Any, path: str) -> list[str]:
    """What to say where `top_k` was left to its default and sampling is on."""
    if isinstance(given, Mapping) and given.get("do_sample") and "top_k" not in given:
        return [
            f"{path}.top_k: 50, the default of transformers and so of RL4LMs; write top_k: 0 to sample from all tokens."
        ]
    return []
