"""Resolves how a run decodes, from its configuration, the model's files and the tokenizer, before any work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rl4lms.config.schema import GenerationConfig, RunConfig, SupervisedConfig
from rl4lms.core.pretrained import model_generation_config
from rl4lms.policies.token_facts import notice_ignored, resolve, token_facts
from rl4lms.training.model_checks import model_config

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def with_token_facts(config: RunConfig, tokenizer: PreTrainedTokenizerBase) -> RunConfig:
    """The configuration with the token facts of model and tokenizer in every `generation_kwargs`.

    A notice names the other settings in the model's generation_config.json, which are ignored. Raises ConfigError for a
    given token that the model lacks or cannot use.
    """
    alg = config.alg
    if isinstance(alg, SupervisedConfig):
        name, trust = alg.model_name, False
        generation: GenerationConfig | None = alg.generation_kwargs
        where = "alg.generation_kwargs"
    else:
        name, trust = alg.policy.model_name, bool(alg.policy.argument("trust_remote_code"))
        generation, where = alg.policy.generation, "alg.policy.args.generation_kwargs"
    model, theirs = model_config(name, trust), model_generation_config(name)
    n = int(model.get_text_config().vocab_size)
    facts = token_facts(theirs, model, n)
    causal = not model.is_encoder_decoder
    start = None if causal or config.env is None else config.env.args.context_start_token

    def complete(section: GenerationConfig | None) -> GenerationConfig | None:
        if section is None:
            return None
        if section.decoder_start_token_id is None:
            section = replace(section, decoder_start_token_id=start)
        return resolve(section, facts, tokenizer=tokenizer, vocab_size=n, causal=causal, where=where)

    evaluation = replace(config.train_evaluation, generation_kwargs=complete(config.train_evaluation.generation_kwargs))
    decoding = evaluation.generation_kwargs or generation
    notices = (*config.notices, *(notice_ignored(theirs, decoding, name) if decoding else ()))
    completed = complete(generation)
    if isinstance(alg, SupervisedConfig):
        alg = replace(alg, generation_kwargs=completed)
    elif completed is not None:
        alg = replace(alg, policy=replace(alg.policy, generation=completed))
    return replace(config, alg=alg, train_evaluation=evaluation, notices=notices)
