"""How text is decoded: the published `generation_kwargs`, typed and closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any

from rl4lms.config.reader import Count, Natural, Positive, join, mapping, plain, read, where
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.tables import PostProcessorRegistry

Tokens = tuple[Natural, ...]


def _token_fact() -> Any:
    # Two configurations of which one has had its model's own facts written into it are one and the same.
    return field(default=None, compare=False)


@dataclass(frozen=True)
class GenerationConfig:
    """Names and defaults of transformers' generation, except that lengths count response tokens only.

    The token facts (`TOKEN_FACTS`) are the model's and the tokenizer's where they are None, and a run's config.json has
    them written out.
    """

    do_sample: Annotated[bool, "Sample; false takes the most probable token, or searches with num_beams."] = False
    temperature: Annotated[Positive, "Divides the logits before sampling."] = 1.0
    top_k: Annotated[Natural, "Sample from so many of the most probable tokens; 0 from all."] = 50
    top_p: Annotated[Positive, "Sample from the fewest tokens of so much probability in all."] = 1.0
    min_length: Annotated[Natural, "Tokens before which no response ends."] = 0
    max_new_tokens: Annotated[Count | None, "Tokens of a response; null is the environment's max_episode_length."] = (
        None
    )
    max_length: Annotated[Count | None, "Of encoder-decoder models: max_new_tokens + 1, the start token counted."] = (
        None
    )
    num_beams: Annotated[Count, "Beams of the search; 1 does not search."] = 1
    no_repeat_ngram_size: Annotated[Natural, "No n-gram of this length is generated twice; 0 allows all."] = 0
    repetition_penalty: Annotated[Positive, "Divides the scores of tokens that are there already."] = 1.0
    length_penalty: Annotated[float, "Power of the length by which a beam's score is divided."] = 1.0
    early_stopping: Annotated[bool, "End the search once num_beams texts are complete."] = False
    post_processing_fn: Annotated[str | None, "Id of a function that a generated text goes through."] = None
    stop_strings: Annotated[
        tuple[str, ...] | None, "A text ends before the first of these; its tokens are still part of the episode."
    ] = None
    eos_token_id: Annotated[
        Natural | Tokens | None, "Tokens that end a text, beside those of tokenizer and model, which always do."
    ] = _token_fact()
    pad_token_id: Annotated[Natural | None, "Token that fills up a batch."] = _token_fact()
    decoder_start_token_id: Annotated[Natural | None, "First token of an encoder-decoder's decoder."] = _token_fact()
    forced_bos_token_id: Annotated[
        Natural | None, "First token of every response: the target language of mBART, M2M100 and NLLB."
    ] = _token_fact()
    forced_eos_token_id: Annotated[
        Natural | Tokens | None, "All that the last token of a response that fills its length may be."
    ] = _token_fact()
    suppress_tokens: Annotated[Tokens | None, "Tokens that are never generated."] = _token_fact()
    begin_suppress_tokens: Annotated[Tokens | None, "Tokens that are not the first to be chosen."] = _token_fact()
    bad_words_ids: Annotated[tuple[Tokens, ...] | None, "Sequences of tokens that are never generated."] = _token_fact()

    def to_dict(self) -> dict[str, Any]:
        """Every key that is set, defaults included; `from_dict` of it gives an equal object."""
        result: dict[str, Any] = plain(self)
        return result

    def with_length(self, max_new_tokens: int) -> GenerationConfig:
        """The same with a length, where none is given."""
        return self if self.max_new_tokens is not None else replace(self, max_new_tokens=max_new_tokens)

    def shared(self) -> dict[str, Any]:
        """Those token facts that are given, by name, and the stop strings."""
        return {name: value for name in SHARED if (value := getattr(self, name)) is not None}


def read_generation(
    value: Any, path: str, source: str, *, episode_length: int | None = None, causal: bool = False
) -> GenerationConfig:
    """The section at `path`. Raises ConfigError for what cannot be decoded together.

    episode_length: what max_new_tokens is where it is not given. causal: the model is known to be decoder-only.
    """
    given = mapping(value, path, source)
    post_processor = given.get("post_processing_fn")
    if isinstance(post_processor, Mapping) and set(post_processor) == {"id"}:  # as published
        given["post_processing_fn"] = post_processor["id"]
    g: GenerationConfig = read(GenerationConfig, given, path, source)
    here = where(source, path)
    for name in ("max_length", "decoder_start_token_id") if causal else ():
        if getattr(g, name) is not None:
            way_out = "write max_new_tokens" if name == "max_length" else "remove it"
            raise ConfigError(f"{here}.{name}: is of encoder-decoder models, and this one is decoder-only; {way_out}.")
    g = _with_lengths(g, here, episode_length)
    _check_stop_strings(g, here)
    for name in ("eos_token_id", "forced_eos_token_id"):
        if isinstance(token := getattr(g, name), int):
            as_set: dict[str, Any] = {name: (token,)}
            g = replace(g, **as_set)
    if g.top_p > 1:
        raise ConfigError(f"{here}.top_p: expected a share in (0, 1], found {g.top_p}.")
    if g.bad_words_ids is not None and not all(g.bad_words_ids):
        raise ConfigError(f"{here}.bad_words_ids: found a word without a token; expected a list of lists of token ids.")
    if g.post_processing_fn is not None and g.post_processing_fn not in PostProcessorRegistry.table:
        known = PostProcessorRegistry.table.ids()
        raise ConfigError(unknown("post-processor", g.post_processing_fn, known, f"{here}.post_processing_fn"))
    return g


def _check_stop_strings(g: GenerationConfig, here: str) -> None:
    """Raises ConfigError for stop strings that no text is searched for, or with which another key contradicts."""
    if not g.stop_strings:
        return
    if not all(g.stop_strings):
        raise ConfigError(f'{here}.stop_strings: found "", which every text has; expected a list of texts.')
    if g.num_beams > 1:
        raise ConfigError(f"{here}.stop_strings: not searched for by beams; write num_beams: 1, or no stop_strings.")
    if g.min_length:
        raise ConfigError(
            f"{here}.min_length: {g.min_length}, but a stop string may be complete before; write 0, or no stop_strings."
        )


def _with_lengths(g: GenerationConfig, here: str, episode_length: int | None) -> GenerationConfig:
    """max_new_tokens from what is given of lengths. Raises ConfigError where they contradict each other."""
    if g.max_length is not None:
        if g.max_new_tokens is not None:
            raise ConfigError(f"{here}: max_length and max_new_tokens both given; keep max_new_tokens.")
        if g.max_length < 2:
            raise ConfigError(f"{here}.max_length: expected at least 2, the start token and one more, found 1.")
        g = replace(g, max_new_tokens=g.max_length - 1, max_length=None)
    if episode_length is not None:
        g = g.with_length(episode_length)
    if g.max_new_tokens is not None and g.min_length > g.max_new_tokens:
        raise ConfigError(
            f"{here}.min_length: expected at most max_new_tokens {g.max_new_tokens}, found {g.min_length}."
        )
    return g


# What the model's own files say unless the YAML does; everything else is the YAML's, over RL4LMs' defaults.
TOKEN_FACTS = tuple(f.name for f in fields(GenerationConfig) if not f.compare)

# A rollout records what it sampled from as an action mask; only these narrow the choice in a way a mask can say.
NARROWING = ("temperature", "top_k", "top_p", "min_length")
SHARED = ("stop_strings", *TOKEN_FACTS)  # of a run, so of its rollouts and its evaluation alike
SAMPLING = ("do_sample", *NARROWING, "max_new_tokens", *SHARED, "post_processing_fn")  # the last, of evaluation


def check_rollout(generation: GenerationConfig, path: str, source: str, episode_length: int | None = None) -> None:
    """Raises ConfigError for a decoding that no policy gradient can be taken of, or that is longer than an episode."""
    here = where(source, path)
    if not generation.do_sample:
        raise ConfigError(
            f"{here}.do_sample: expected true: a rollout samples. Greedy and beam search are for evaluation."
        )
    neutral = GenerationConfig()
    for key in fields(GenerationConfig):
        value = getattr(generation, key.name)
        if key.name not in SAMPLING and value != getattr(neutral, key.name):
            raise ConfigError(
                f"{join(here, key.name)}: a rollout is narrowed by {', '.join(NARROWING)} and token ids alone; write "
                f"{key.name} in train_evaluation.generation_kwargs, with all else that an evaluation decodes by."
            )
    if episode_length is not None and (generation.max_new_tokens or 0) > episode_length:
        raise ConfigError(
            f"{here}.max_new_tokens: {generation.max_new_tokens}, but an episode ends after "
            f"env.args.max_episode_length {episode_length}; make them equal."
        )


def share_token_facts(
    rollout: GenerationConfig,
    evaluation: GenerationConfig | None,
    path: str,
    source: str,
    other: str = "alg.policy.args.generation_kwargs",
) -> tuple[GenerationConfig, GenerationConfig | None]:
    """Both with the token facts and stop strings that either gives: a run has one set.

    Raises ConfigError where they disagree, and for stop strings with an evaluation that cannot search for them.
    """
    if evaluation is None:
        return rollout, None
    ours, theirs = rollout.shared(), evaluation.shared()
    for name in ours.keys() & theirs.keys():
        if ours[name] != theirs[name]:
            raise ConfigError(
                f"{where(source, path)}.{name}: {theirs[name]} contradicts {ours[name]} of {other}; a run has one, so "
                "give it once."
            )
    both = {**ours, **theirs}
    rollout, evaluation = replace(rollout, **both), replace(evaluation, **both)
    _check_stop_strings(evaluation, where(source, path))
    return rollout, evaluation


def notice_top_k(given: Any, path: str) -> list[str]:
    """What to say where `top_k` was left to its default and sampling is on."""
    if isinstance(given, Mapping) and given.get("do_sample") and "top_k" not in given:
        return [
            f"{path}.top_k: 50, the default of transformers and so of RL4LMs; write top_k: 0 to sample from all tokens."
        ]
    return []
