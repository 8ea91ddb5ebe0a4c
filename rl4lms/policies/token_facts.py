"""Token facts (stop tokens, forced and forbidden tokens) from a model's files, and their resolution for a run.

See docs/numerics.md, line 33.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rl4lms.config.generation import TOKEN_FACTS, GenerationConfig
from rl4lms.core.errors import ConfigError
from rl4lms.policies.token_rules import token_set
from rl4lms.tokenization.chat import turn_ends

# The keys of generation_config.json that are no settings of decoding.
_NO_SETTING = ("transformers_version", "_from_model_config", "use_cache", "bos_token_id")
_SETS = ("eos_token_id", "forced_eos_token_id", "suppress_tokens", "begin_suppress_tokens")


def token_facts(generation: Any, config: Any, vocab_size: int) -> dict[str, Any]:
    """The token facts in a model's generation configuration and configuration, without tokens beyond its vocabulary.

    The generation configuration takes precedence, but stop tokens are those of both.
    """
    text = config.get_text_config(decoder=True)
    facts: dict[str, Any] = {}
    for name in TOKEN_FACTS:
        if name == "decoder_start_token_id" and config.is_encoder_decoder:
            sources = [(generation, name), (config, name), (generation, "bos_token_id"), (config, "bos_token_id")]
        elif name in ("decoder_start_token_id", "forced_bos_token_id") and not config.is_encoder_decoder:
            continue  # these are about a decoder's first token, but a decoder-only model begins with its prompt
        else:
            sources = [(generation, name), (config, name), (text, name)]
        given = [getattr(source, key, None) for source, key in sources]
        if value := _known(name, given, vocab_size):
            facts[name] = value if name in _SETS or name == "bad_words_ids" else value[0]
    stops = facts.get("eos_token_id", ())
    if words := [word for word in facts.get("bad_words_ids", ()) if len(word) > 1 or word[0] not in stops]:
        facts["bad_words_ids"] = tuple(words)  # transformers does not forbid stop tokens this way
    else:
        facts.pop("bad_words_ids", None)
    return facts


def _known(name: str, given: list[Any], vocab_size: int) -> tuple[Any, ...]:
    """The tokens (or bad words) of the first source that has any; for stop tokens, those of all sources."""

    def tokens(value: Any) -> tuple[int, ...]:
        each = value if isinstance(value, list | tuple) else [value]
        return tuple(i for i in each if type(i) is int and 0 <= i < vocab_size)

    if name == "bad_words_ids":
        lists = [value for value in given if isinstance(value, list)]
        return tuple(tuple(word) for word in (lists[0] if lists else ()) if word and tokens(word) == tuple(word))
    found = [tokens(value) for value in given]
    if name == "eos_token_id":
        return token_set([i for each in found for i in each])
    return next((each for each in found if each), ())


def resolved(
    given: Mapping[str, Any], facts: Mapping[str, Any], *, tokenizer: Any, vocab_size: int, causal: bool, where: str
) -> dict[str, Any]:
    """The token facts with which a run decodes: those that are given, else those of the model or the tokenizer.

    Stop tokens are those of all three, and what ends a turn in the tokenizer's chat template. given: generation keyword
    arguments; where: their key path, for the message. Raises ConfigError for a token that the model lacks or may not
    generate.
    """
    own = {name: given[name] for name in TOKEN_FACTS if given.get(name) is not None}
    if causal and "decoder_start_token_id" in own:
        raise ConfigError(
            f"{where}.decoder_start_token_id: the model is decoder-only; it has no decoder's start token."
        )
    for name, token in _tokens_of(own):
        if not 0 <= token < vocab_size:
            raise ConfigError(f"{where}.{name}: {token}, but the model has {vocab_size} tokens; expected one of them.")
    found = {**facts, **own}
    ids = (tokenizer.eos_token_id, tokenizer.pad_token_id) if tokenizer is not None else (None, None)
    stops = (*token_set(own.get("eos_token_id")), *token_set(facts.get("eos_token_id")), *token_set(ids[0]))
    if tokenizer is not None:
        stops = (*stops, *(i for i in turn_ends(tokenizer) if i < vocab_size))
    if stops:
        found["eos_token_id"] = token_set(stops)
    if "pad_token_id" not in own and ids[1] is not None:
        found["pad_token_id"] = int(ids[1])
    _check_choice(found, given, vocab_size, where)
    return found


def _tokens_of(facts: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, value in facts.items():
        words = value if name == "bad_words_ids" else [token_set(value)]
        yield from ((name, token) for word in words for token in word)


def _check_choice(facts: Mapping[str, Any], given: Mapping[str, Any], vocab_size: int, where: str) -> None:
    banned: set[int] = {word[0] for word in facts.get("bad_words_ids") or () if len(word) == 1}
    banned.update(facts.get("suppress_tokens") or (), facts.get("begin_suppress_tokens") or ())
    if given.get("min_length"):
        banned.update(facts.get("eos_token_id") or ())
    if len(banned) >= vocab_size:
        raise ConfigError(f"{where}: its suppressed tokens leave none of {vocab_size} to generate; suppress fewer.")


def resolve(
    generation: GenerationConfig, facts: Mapping[str, Any], *, tokenizer: Any, vocab_size: int, causal: bool, where: str
) -> GenerationConfig:
    """`generation` with all token facts; see `resolved`."""
    tokens = resolved(
        generation.to_dict(), facts, tokenizer=tokenizer, vocab_size=vocab_size, causal=causal, where=where
    )
    return replace(generation, **tokens)


def notice_ignored(theirs: Any, generation: GenerationConfig, name: str) -> list[str]:
    """A notice about settings in a model's own files that are ignored; none if there are no such settings."""
    ignored = {
        key: value
        for key, value in theirs.to_diff_dict().items()
        if key not in (*TOKEN_FACTS, *_NO_SETTING) and value != getattr(generation, key, False)
    }
    if not ignored:
        return []
    settings = ", ".join(f"{key} {value}" for key, value in sorted(ignored.items()))
    return [f"model {name}: its own generation settings are not used: {settings}. Write those you want in the YAML."]


def set_start_token(model: Any, start: int | None) -> None:
    """Set the start token in the configuration of an encoder-decoder, from which every forward takes it."""
    if start is not None and model.config.is_encoder_decoder:
        model.config.decoder_start_token_id = start
